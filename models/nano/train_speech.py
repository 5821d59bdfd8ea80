"""Speech pre-training: nano's Whisper learns to hear, from the first step by two losses.

Every 20 ms position of the encoder names the phoneme being said (the synthesizer's own events tell), and the query states
spell the words and characters by CTC (Graves et al. 2006). Without the first it learns nothing within hours.

    python -m models.nano.train_speech WORK_DIR --minutes 60
"""

import argparse
import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.nano import corpus, hearing, parallel, synthesize
from models.nano.optimizer import Optimizer
from models.nano.scoring import distance
from models.nano.stage import Stage, require
from models.nano.synthesize import POSITION_SECONDS, Clip
from models.nano.vary import moved, vary
from models.nano.world.spoken import language_of, tokens

BATCH_FRAMES = 4_000  # mel frames in a batch of one process: about 18 clips
VARIED = 0.6  # share of the batches that are changed further, after the first quarter of the training
UNKNOWN = -100
FLOOR = -10.0  # log10 power of digital silence

Shape = tuple[int, int, int, int]  # width, heads, encoder layers, decoder layers


class SpeechModel(nn.Module):
    """Whisper and the two heads that only training needs."""

    def __init__(self, shape: Shape, phonemes: list[str], words: list[str]) -> None:
        super().__init__()
        self.shape, self.phonemes, self.words = shape, phonemes, words
        self.whisper = hearing.new_whisper(*shape)
        d_model = shape[0]
        self.phoneme_head = nn.Linear(d_model, len(phonemes))
        self.word_head = nn.Linear(d_model, len(words) + 1)  # the last one is CTC's blank

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """``(batch, n_frames, 80)`` -> phoneme logits ``(batch, n_frames / 2, p)``, word logits ``(batch, N_QUERIES, w)``."""
        encoded = hearing.encode(self.whisper, mel.transpose(1, 2))
        return self.phoneme_head(encoded), self.word_head(hearing.read(self.whisper, encoded))


def hear(model: SpeechModel, mel: Tensor) -> tuple[Tensor, Tensor]:
    """Log power ``(batch, n_frames, 80)`` -> query states ``(batch, N_QUERIES, d)``, word logits ``(batch, N_QUERIES, w)``."""
    with torch.autocast("cpu", torch.bfloat16):
        encoded = hearing.encode(model.whisper, hearing.normalize(mel).transpose(1, 2))
        states = hearing.read(model.whisper, encoded)
        return states, model.word_head(states)


def frame_labels(clip: Clip, index: dict[str, int], positions: int) -> list[int]:
    """The phoneme at the middle of each 20 ms position, 0 (silence) outside the speech, ``UNKNOWN`` where nobody knows."""
    if not clip.phonemes:
        return [UNKNOWN] * positions
    labels, at = [0] * positions, 0
    starts = [start for start, _ in clip.phonemes]
    for position in range(positions):
        middle = (position + 0.5) * POSITION_SECONDS
        while at + 1 < len(starts) and starts[at + 1] <= middle:
            at += 1
        if starts[at] <= middle:
            labels[position] = index.get(clip.phonemes[at][1], 0)
    return labels


def collate(
    clips: list[Clip], phonemes: dict[str, int], words: dict[str, int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Log-power ``(batch, n_frames, 80)``, frame labels ``(batch, n_frames / 2)``, word ids in a row, their counts."""
    frames = max(len(clip.mel) for clip in clips)
    frames += frames % 2
    mel = torch.full((len(clips), frames, 80), FLOOR)
    labels = torch.zeros(len(clips), frames // 2, dtype=torch.long)
    said: list[int] = []
    counts = []
    for row, clip in enumerate(clips):
        mel[row, : len(clip.mel)] = torch.from_numpy(np.asarray(clip.mel, dtype=np.float32))
        labels[row] = torch.tensor(frame_labels(clip, phonemes, frames // 2))
        ids = [words[token] for token in tokens(clip.text)]
        said += ids
        counts.append(len(ids))
    return mel, labels, torch.tensor(said), torch.tensor(counts)


def batches(clips: list[Clip], rng: Random) -> list[list[Clip]]:
    """Clips of like length together, at most ``BATCH_FRAMES`` with the padding, in random order."""
    order = sorted(clips, key=lambda clip: len(clip.mel) * rng.uniform(0.93, 1.07))
    groups: list[list[Clip]] = [[]]
    for clip in order:
        if groups[-1] and (len(groups[-1]) + 1) * len(clip.mel) > BATCH_FRAMES:
            groups.append([])
        groups[-1].append(clip)
    rng.shuffle(groups)
    return groups


def loss(
    model: SpeechModel, mel: Tensor, labels: Tensor, said: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor]:
    with torch.autocast("cpu", torch.bfloat16):
        phoneme_logits, word_logits = model(hearing.normalize(mel))
    frame = nn.functional.cross_entropy(
        phoneme_logits.float().flatten(0, 1), labels.flatten(), ignore_index=UNKNOWN
    )
    return frame, ctc_loss(word_logits, said, counts)


def ctc_loss(word_logits: Tensor, said: Tensor, counts: Tensor) -> Tensor:
    """``(batch, N_QUERIES, w)``; the word ids of all clips in a row, and how many are each clip's."""
    log_probabilities = word_logits.float().log_softmax(-1).transpose(0, 1)
    lengths = torch.full((len(counts),), hearing.N_QUERIES)
    blank = word_logits.shape[-1] - 1
    return nn.functional.ctc_loss(log_probabilities, said, lengths, counts, blank=blank, zero_infinity=True)


@torch.no_grad()
def transcribe(model: SpeechModel, mel: Tensor) -> list[list[str]]:
    """Greedy CTC."""
    with torch.autocast("cpu", torch.bfloat16):
        best = model(hearing.normalize(mel))[1].argmax(-1).tolist()
    blank = len(model.words)
    return [
        [model.words[i] for i, before in zip(row, [blank, *row], strict=False) if i not in (blank, before)]
        for row in best
    ]


def evaluate(model: SpeechModel, clips: list[Clip]) -> dict[str, float]:
    """Token error in percent by language, on clips that are not trained on."""
    errors: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    model.eval()
    for group in batches(clips, Random(0)):
        mel = collate(group, {}, {token: 0 for clip in group for token in tokens(clip.text)})[0]
        for clip, heard in zip(group, transcribe(model, mel), strict=True):
            key = language_of(clip.text) + (" other synthesizer" if clip.voice.startswith("festival") else "")
            errors[key] += distance(heard, tokens(clip.text))
            totals[key] += len(tokens(clip.text))
    model.train()
    return {key: round(100 * errors[key] / totals[key], 1) for key in sorted(totals)}


def labels_of(clips: list[Clip]) -> list[str]:
    counts = Counter(name for clip in clips for _, name in clip.phonemes)
    return ["_"] + sorted(name for name, count in counts.items() if count >= 50 and name != "_")


def train(folder: Path, minutes: float, shape: Shape, rate: float = 1e-3) -> None:
    """Trains for ``minutes`` in all, over as many resumed runs as it takes."""
    stage = Stage(folder, "speech", minutes, rate)
    clips, dev = synthesize.load(folder / "speech"), synthesize.load(folder / "dev")
    state = stage.load()
    torch.manual_seed(1)
    model = load(state) if state else SpeechModel(shape, labels_of(clips), corpus.vocabulary())
    optimizer = Optimizer(model, rate)
    if state and "optimizer" in state:
        optimizer.load_state_dict(state["optimizer"])
    phonemes, words = ({name: i for i, name in enumerate(names)} for names in (model.phonemes, model.words))
    clips = [clip for clip in clips if all(token in words for token in tokens(clip.text))]
    generator = torch.Generator().manual_seed(1000 * stage.step + parallel.rank())
    rng = Random(f"moved {stage.step} {parallel.rank()}")
    sums = np.zeros(3)
    while not stage.over:
        for group in parallel.share(batches(clips, Random(f"step {stage.step}"))):
            stage.set_rate(optimizer)
            mel, labels, said, counts = collate([moved(clip, rng) for clip in group], phonemes, words)
            if torch.rand((), generator=generator) < VARIED * min(1.0, 4 * stage.progress):
                mel = vary(mel, generator)
            frame, ctc = loss(model, mel, labels, said, counts)
            optimizer.zero_grad()
            (2.0 * frame + ctc).backward()
            parallel.average(model.parameters())
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            due = stage.tick()
            sums += (frame.item(), ctc.item(), 1)
            if due and parallel.rank() == 0:
                stage.save(model, optimizer, shape=model.shape, words=model.words, phonemes=model.phonemes)
                frame_mean, ctc_mean = sums[:2] / sums[2]
                stage.log(
                    f"frame {frame_mean:.3f}  ctc {ctc_mean:.3f}  token error {json.dumps(evaluate(model, dev))}"
                )
                sums[:] = 0
            if stage.over:
                break


def load(state: dict[str, Any]) -> SpeechModel:
    """The model of a saved state."""
    model = SpeechModel(state["shape"], state["phonemes"], state["words"])
    model.load_state_dict(state["model"])
    return model


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument(
        "--shape", type=int, nargs=4, default=(192, 4, 4, 2), metavar=("D", "HEADS", "ENCODER", "DECODER")
    )
    options = parser.parse_args()
    require(parser, options.folder, "speech", "dev")
    parallel.run(train, options.folder, options.minutes, tuple(options.shape))


if __name__ == "__main__":
    main()
