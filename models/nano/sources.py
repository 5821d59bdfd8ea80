"""What the LLM's stages learn from: endless random conversations, typed or spoken, and the held-out ones that are watched."""

from collections.abc import Callable, Iterator
from random import Random

from models.nano import corpus, samples, synthesize
from models.nano.samples import Heard, Sample, Turn
from models.nano.synthesize import Clip
from models.nano.world import arithmetic
from models.nano.world.spoken import Exchange, language_of

BATCH_TOKENS = 2_000  # in one process
POOL = 768  # samples that are sorted by length together
MAX_TOKENS = 420
DRILL = 0.2  # share of text that is arithmetic beyond the corpus's own: sums are learnt slowest
COPIED = 0.35  # share of text pre-training that is transcription
SALAD = 0.6  # share of it that is words without meaning: only what is heard says what comes next
RECALLED = 0.6  # share of text pre-training's other questions that are heard
TRANSCRIBED = 0.2  # share of stage 2 that is transcription: it teaches to read the states, word by word
UNSPOKEN = 0.35  # share of stage 2 that no clip says: typed or recalled, of sentences without end
ENGLISH = 2  # times that an English text or conversation in clips stands in the draw: it is learnt slowest
FOLLOWED_UP = 0.3  # share of stage 2's conversations in clips that must have a second turn

Draw = Callable[[Random], Sample]


class TextSource:
    """Endless conversations that nobody spoke; most questions are heard all the same (``Recall``)."""

    def __init__(self, writer: samples.Writer, seed: str) -> None:
        self._writer = writer
        self._stream = corpus.conversations(seed)
        self._drill = corpus.conversations(seed, subjects={arithmetic.generate: 1.0})
        self._words = corpus.vocabulary()

    def __call__(self, rng: Random) -> Sample:
        kind = rng.random()
        if kind < COPIED:
            return self._writer.sample([samples.transcription(Heard(self._sentence(rng)), rng)], rng)
        if kind < COPIED + DRILL:
            return self._writer.sample(samples.text_turns(next(self._drill), rng, RECALLED / 2), rng)
        turns = samples.text_turns(next(self._stream), rng, RECALLED)
        while rng.random() < 0.06 and len(turns) < 6:  # talk before that has nothing to do with it
            turns = samples.text_turns(next(self._stream), rng, RECALLED) + turns
        return self._writer.sample(turns, rng)

    def _sentence(self, rng: Random) -> str:
        if rng.random() < SALAD:
            return corpus.word_salad(rng, self._words, lambda _: 1.0, most=10)
        return rng.choice(next(self._stream).turns)[0]


class SpokenSource:
    """Endless samples whose speech is clips; ``talk`` False draws transcriptions only (stage 1)."""

    def __init__(self, writer: samples.Writer, clips: list[Clip], seed: str, *, talk: bool) -> None:
        self._writer, self._talk = writer, talk
        self._clips: dict[str, list[int]] = {}
        for i, clip in enumerate(clips):
            self._clips.setdefault(clip.text, []).append(i)
        self._texts = [text for text in sorted(self._clips) for _ in range(_times(text))]
        self._conversations = self._spoken_conversations(len(clips)) if talk else []
        self._followed_up = [exchange for exchange in self._conversations if len(exchange.turns) > 1]
        self._unspoken = TextSource(writer, seed)

    def _spoken_conversations(self, count: int) -> list[Exchange]:
        stream = corpus.conversations(synthesize.SEED)
        drawn = (next(stream) for _ in range(count))
        return [
            exchange
            for exchange in drawn
            if all(said in self._clips for said, _ in exchange.turns)
            for _ in range(_times(exchange.turns[-1][0]))
        ]

    def _heard(self, text: str, rng: Random) -> Heard:
        return Heard(text, rng.choice(self._clips[text]))

    def __call__(self, rng: Random) -> Sample:
        kind = rng.random() if self._talk else 0.0
        if kind < TRANSCRIBED:
            heard = self._heard(rng.choice(self._texts), rng)
            return self._writer.sample([samples.transcription(heard, rng)], rng)
        if kind < TRANSCRIBED + UNSPOKEN:
            return self._unspoken(rng)
        turns = self._turns(rng)
        while rng.random() < 0.1 and len(turns) < 5:
            turns = self._turns(rng) + turns
        return self._writer.sample(turns, rng)

    def _turns(self, rng: Random) -> list[Turn]:
        among = self._followed_up if rng.random() < FOLLOWED_UP and self._followed_up else self._conversations
        return [([self._heard(said, rng)], answer) for said, answer in rng.choice(among).turns]


def _times(text: str) -> int:
    return ENGLISH if language_of(text) == "en" else 1


def groups(draw: Draw, rng: Random) -> Iterator[list[Sample]]:
    """Endless batches of samples of like length."""
    while True:
        pool = [sample for sample in (draw(rng) for _ in range(POOL)) if len(sample.ids) <= MAX_TOKENS]
        pool.sort(key=lambda sample: len(sample.ids))
        cut: list[list[Sample]] = [[]]
        for sample in pool:
            if cut[-1] and (len(cut[-1]) + 1) * len(sample.ids) > BATCH_TOKENS:
                cut.append([])
            cut[-1].append(sample)
        rng.shuffle(cut)
        yield from cut


def dev_samples(writer: samples.Writer, clips: list[Clip]) -> dict[str, list[Sample]]:
    """Held-out sentences by held-out voices, answered and transcribed."""
    stream = corpus.conversations(seed=synthesize.DEV_SEED, test=True)
    answers: dict[str, str] = {}
    while not all(clip.text in answers for clip in clips):
        said, answer = next(stream).turns[0]
        answers.setdefault(said, answer)
    rng = Random(0)
    rows: dict[str, list[Sample]] = {}
    for way in ("answers", "transcripts"):
        for i, clip in enumerate(clips):
            heard = Heard(clip.text, i)
            turn: Turn = (
                ([heard], answers[clip.text]) if way == "answers" else ([heard, corpus.TRANSCRIBE], clip.text)
            )
            other = clip.voice.startswith("festival")
            kind = "other synthesizer" if other else language_of(clip.text)
            rows.setdefault(f"{way} {kind}", []).append(writer.sample([turn], rng))
    return rows


def text_dev_samples(writer: samples.Writer) -> dict[str, list[Sample]]:
    """Held-out conversations as text pre-training shows them; the last answer counts."""
    rng, stream = Random(0), corpus.conversations(seed=synthesize.DEV_SEED, test=True)
    rows: dict[str, list[Sample]] = {}
    for exchange in (next(stream) for _ in range(400)):
        turns: list[Turn] = [([Heard(said)], answer) for said, answer in exchange.turns]
        rows.setdefault(exchange.kind, []).append(writer.sample(turns, rng, learn_all=False))
    words = corpus.vocabulary()
    for _ in range(40):
        said = Heard(corpus.word_salad(rng, words, lambda _: 1.0, most=10))
        rows.setdefault("salad", []).append(writer.sample([samples.transcription(said, rng)], rng))
    return rows
