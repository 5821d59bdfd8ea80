"""The LLM's three stages: text pre-training, stage 1 (adapter alone), stage 2 (adapter and LLM), as in arXiv 2308.15930.

Whisper is frozen in all of them, so its states are computed once for every clip (``states``), through the same variations that
speech pre-training used: then the LLM learns to live with hearing that is not perfect.

    python -m models.nano.train_llm WORK_DIR text|states|stage1|stage2 --minutes 20
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.nano import checkpoint, corpus, hearing, language, parallel, samples, synthesize
from models.nano.samples import IGNORED, Heard, Sample, Turn
from models.nano.stage import Stage
from models.nano.synthesize import Clip
from models.nano.train_speech import batches, collate, load, vary
from models.nano.world import arithmetic
from models.nano.world.spoken import Exchange

BATCH_TOKENS = 1_000  # in one process
POOL = 384  # samples that are sorted by length together
VERSIONS = 1  # variations of each clip
TRANSCRIBED = 0.4  # share of stage 2 that is transcription: it teaches to read the states, word by word
DRILL = 0.25  # more arithmetic for text pre-training: sums are learnt slowest
RATES = {"text": 1.5e-3, "stage1": 4e-3, "stage2": 1.5e-3}  # peak learning rates
MAX_TOKENS = 420

VERSION = "0.1.0"  # of the model

Draw = Callable[[Random], Sample]


class TextSource:
    """Endless samples for text pre-training."""

    def __init__(self, writer: samples.Writer, seed: int) -> None:
        self._writer, self._stream = writer, corpus.conversations(seed)
        self._drill = corpus.conversations(seed, subjects={arithmetic.generate: 1.0})

    def __call__(self, rng: Random) -> Sample:
        exchange = next(self._drill if rng.random() < DRILL else self._stream)
        if rng.random() < 0.15:
            return self._writer.sample(
                [samples.transcription(Heard(rng.choice(exchange.turns)[0]), rng)], rng
            )
        turns: list[Turn] = []
        while rng.random() < 0.06 and len(turns) < 6:  # talk before that has nothing to do with it
            turns += samples.text_turns(next(self._stream), rng)
        return self._writer.sample([*turns, *samples.text_turns(exchange, rng)], rng)


class SpokenSource:
    """Endless samples whose speech is clips; ``talk`` False draws transcriptions only (stage 1)."""

    def __init__(self, writer: samples.Writer, clips: list[Clip], seed: int, *, talk: bool) -> None:
        self._writer, self._talk = writer, talk
        self._clips: dict[str, list[int]] = {}
        for i, clip in enumerate(clips):
            self._clips.setdefault(clip.text, []).append(i)
        self._texts = sorted(self._clips)
        self._conversations = self._spoken_conversations(len(clips)) if talk else []
        self._text = TextSource(writer, seed)

    def _spoken_conversations(self, count: int) -> list[Exchange]:
        stream = corpus.conversations(synthesize.SEED)
        drawn = (next(stream) for _ in range(count))
        return [exchange for exchange in drawn if all(said in self._clips for said, _ in exchange.turns)]

    def _heard(self, text: str, rng: Random) -> Heard:
        return Heard(text, rng.choice(self._clips[text]) * VERSIONS + rng.randrange(VERSIONS))

    def __call__(self, rng: Random) -> Sample:
        if not self._talk or rng.random() < TRANSCRIBED:
            return self._writer.sample(
                [samples.transcription(self._heard(rng.choice(self._texts), rng), rng)], rng
            )
        if rng.random() < 0.1:
            return self._text(rng)
        turns = self._turns(rng)
        while rng.random() < 0.1 and len(turns) < 5:
            turns = self._turns(rng) + turns
        return self._writer.sample(turns, rng)

    def _turns(self, rng: Random) -> list[Turn]:
        return [([self._heard(said, rng)], answer) for said, answer in rng.choice(self._conversations).turns]


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


def forward(
    model: language.Llasm, group: list[Sample], states: NDArray[np.float16] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits at the targets ``(n, n_vocab)``, the targets ``(n,)``, and the sample that each belongs to ``(n,)``."""
    longest = max(len(sample.ids) for sample in group)
    ids, labels = (
        torch.zeros(len(group), longest, dtype=torch.long),
        torch.full((len(group), longest), IGNORED),
    )
    for row, sample in enumerate(group):
        ids[row, : len(sample.ids)] = torch.tensor(sample.ids)
        labels[row, : len(sample.labels)] = torch.tensor(sample.labels)
    embedded = model.llama.get_input_embeddings()(ids)
    places = [(row, at, clip) for row, sample in enumerate(group) for at, clip in sample.clips]
    with torch.autocast("cpu", torch.bfloat16):
        if places and states is not None:
            heard = model.adapter(
                torch.from_numpy(states[[clip for _, _, clip in places]].astype(np.float32))
            )
            index = torch.tensor(
                [[row * longest + at + i for i in range(hearing.N_QUERIES)] for row, at, _ in places]
            )
            flat = embedded.flatten(0, 1).index_copy(0, index.flatten(), heard.float().flatten(0, 1))
            embedded = flat.view_as(embedded)
        hidden = model.llama.model(inputs_embeds=embedded, use_cache=False).last_hidden_state
        wanted = labels != IGNORED
        logits = model.llama.lm_head(hidden[wanted])
    return logits.float(), labels[wanted], wanted.nonzero()[:, 0]


@torch.no_grad()
def exact(model: language.Llasm, group: list[Sample], states: NDArray[np.float16] | None) -> int:
    """How many samples greedy decoding would answer exactly: all targets are the likeliest tokens."""
    logits, labels, rows = forward(model, group, states)
    wrong = set(rows[logits.argmax(-1) != labels].tolist())
    return len(group) - len(wrong)


def compute_states(folder: Path) -> None:
    """Every clip's query states under ``VERSIONS`` variations: ``states.npy`` (clips * VERSIONS, N_QUERIES, d) float16."""
    model = load(torch.load(folder / "speech.pt", weights_only=True))
    model.eval()
    for name, versions in (("dev", 1), ("speech", VERSIONS)):
        clips = synthesize.load(folder / name)
        shape = (len(clips) * versions, hearing.N_QUERIES, model.shape[0])
        file = folder / f"{name}_states.npy"
        if parallel.rank() == 0:
            np.lib.format.open_memmap(file, "w+", np.float16, shape).flush()
        parallel.agree(0.0)
        out = np.lib.format.open_memmap(file, "r+")
        where = {id(clip): i for i, clip in enumerate(clips)}
        generator = torch.Generator().manual_seed(parallel.rank())
        for group in parallel.share(batches(clips, Random(9))):
            mel = collate(group, {}, dict.fromkeys(model.words, 0))[0]
            for version in range(versions):
                varied = vary(mel, generator) if name == "speech" else mel
                with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                    normalized = hearing.normalize(varied).transpose(1, 2)
                    states = hearing.read(model.whisper, hearing.encode(model.whisper, normalized))
                out[[where[id(clip)] * versions + version for clip in group]] = (
                    states.float().numpy().astype(np.float16)
                )
        out.flush()
        parallel.agree(0.0)


def word_states(folder: Path) -> tuple[list[str], Tensor]:
    """The words of CTC's output, the blank (as ``""``) last, and the mean state where each is heard: ``(n, d)``.

    A word that was never heard in the first place has the direction of its row of CTC's output.
    """
    speech = load(torch.load(folder / "speech.pt", weights_only=True))
    head = speech.word_head
    sums, counts = torch.zeros_like(head.weight), torch.zeros(len(head.weight))
    states = np.load(folder / "speech_states.npy", mmap_mode="r")
    with torch.no_grad():
        for at in range(0, len(states), 500):
            block = torch.from_numpy(states[at : at + 500].astype(np.float32)).flatten(0, 1)
            heard = head(block).argmax(dim=1)
            sums.index_add_(0, heard, block)
            counts.index_add_(0, heard, torch.ones(len(heard)))
        means = sums / counts.clamp(min=1)[:, None]
        typical = means[counts > 0].norm(dim=1).mean()
        never = head.weight * typical / head.weight.norm(dim=1, keepdim=True)
        return [*speech.words, ""], torch.where((counts > 0)[:, None], means, never)


def align(model: language.Llasm, folder: Path, writer: samples.Writer) -> Tensor:
    """``Llasm.align`` for every word that is one piece, and the blank; returns their token ids ``(n,)``."""
    words, states = word_states(folder)
    pieces = [writer.heard_pieces(word) for word in words]
    single = [i for i, piece in enumerate(pieces) if len(piece) == 1]
    ids = torch.tensor([pieces[i][0] for i in single])
    model.align(ids, states[single])
    return ids


def dev_samples(writer: samples.Writer, clips: list[Clip]) -> dict[str, list[Sample]]:
    """Held-out sentences by held-out voices, answered and transcribed."""
    stream = corpus.conversations(seed=synthesize.DEV_SEED, test=True)
    answers: dict[str, str] = {}
    while not all(clip.text in answers for clip in clips):
        said, answer = next(stream).turns[0]
        answers.setdefault(said, answer)
    rng, rows = Random(0), {}
    for way in ("answers", "transcripts"):
        for i, clip in enumerate(clips):
            heard = Heard(clip.text, i)
            turn: Turn = (
                ([heard], answers[clip.text]) if way == "answers" else ([heard, corpus.TRANSCRIBE], clip.text)
            )
            kind = (
                "other synthesizer"
                if clip.voice.startswith("festival")
                else Exchange("", ((clip.text, ""),)).language
            )
            rows.setdefault(f"{way} {kind}", []).append(writer.sample([turn], rng))
    return rows


def text_dev_samples(writer: samples.Writer) -> dict[str, list[Sample]]:
    """Held-out conversations as text pre-training shows them; the last answer counts."""
    rng, stream, rows = Random(0), corpus.conversations(seed=synthesize.DEV_SEED, test=True), {}
    for exchange in (next(stream) for _ in range(400)):
        turns: list[Turn] = [([Heard(said)], answer) for said, answer in exchange.turns]
        rows.setdefault(exchange.kind, []).append(writer.sample(turns, rng, learn_all=False))
    return rows


def train(folder: Path, name: str, minutes: float) -> None:
    stage = Stage(folder, name, minutes, RATES[name])
    tokenizer_file = folder / "tokenizer.model"
    if parallel.rank() == 0 and not tokenizer_file.exists():
        language.train_tokenizer(tokenizer_file)
    parallel.agree(0.0)
    tokenizer = language.load_tokenizer(tokenizer_file)
    special = language.token_ids(tokenizer)
    writer = samples.Writer(special, tokenizer.encode)
    torch.manual_seed(2)
    clips = synthesize.load(folder / "speech") if name != "text" else []
    model = language.Llasm(special.au_end + 1, _width(folder))
    before = {"stage1": "text", "stage2": "stage1"}.get(name)
    if before:
        model.load_state_dict(torch.load(folder / f"{before}.pt", weights_only=True)["model"])
    seed = 1000 * (1 + parallel.rank()) + len(name)
    draw: Draw = (
        TextSource(writer, seed)
        if name == "text"
        else SpokenSource(writer, clips, seed, talk=name == "stage2")
    )
    states = np.load(folder / "speech_states.npy", mmap_mode="r") if clips else None
    dev = dev_samples(writer, synthesize.load(folder / "dev")) if clips else text_dev_samples(writer)
    dev_states = np.load(folder / "dev_states.npy") if clips else None
    trained = list(model.adapter.parameters() if name == "stage1" else model.parameters())
    for parameter in model.parameters():
        parameter.requires_grad_(any(parameter is one for one in trained))
    optimizer = torch.optim.AdamW(trained, lr=RATES[name], betas=(0.9, 0.98), weight_decay=0.02)
    embedding = model.llama.get_input_embeddings().weight
    aligned = align(model, folder, writer) if name == "text" else torch.empty(0, dtype=torch.long)
    state = stage.load()
    if state:
        model.load_state_dict(state["model"])
        if "optimizer" in state:
            optimizer.load_state_dict(state["optimizer"])
    fixed = embedding[aligned].detach().clone()
    stream, sums = groups(draw, Random(seed + stage.step)), np.zeros(2)
    while not stage.over:
        stage.set_rate(optimizer)
        logits, labels, _ = forward(model, next(stream), states)
        loss = nn.functional.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        parallel.average(trained)
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        with torch.no_grad():
            embedding[aligned] = fixed  # stays where Whisper will put it
        due = stage.tick()
        sums += (loss.item(), 1)
        if due and parallel.rank() == 0:
            stage.save(model, optimizer)
            right = {key: _percent_exact(model, rows, dev_states) for key, rows in dev.items()}
            stage.log(f"loss {sums[0] / sums[1]:.4f}  exact {json.dumps(right)}")
            sums[:] = 0
    if name == "stage2" and parallel.rank() == 0:
        checkpoint.save_llasm(model, tokenizer_file, folder / "checkpoint" / "llasm", VERSION)


def _percent_exact(model: language.Llasm, rows: list[Sample], states: NDArray[np.float16] | None) -> float:
    right = sum(exact(model, rows[i : i + 16], states) for i in range(0, len(rows), 16))
    return round(100 * right / len(rows), 1)


def _width(folder: Path) -> int:
    """The width of Whisper's states; the adapter is only used once they exist."""
    states = folder / "dev_states.npy"
    return int(np.load(states, mmap_mode="r").shape[2]) if states.exists() else hearing.WIDTH


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("stage", choices=("text", "states", "stage1", "stage2"))
    parser.add_argument("--minutes", type=float, default=20.0)
    options = parser.parse_args()
    if options.stage == "states":
        parallel.run(compute_states, options.folder)
    else:
        parallel.run(train, options.folder, options.stage, options.minutes)


if __name__ == "__main__":
    main()
