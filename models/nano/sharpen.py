"""The end of speech pre-training: the states where Whisper hears a word are drawn to that word's mean state.

CTC is content when the right word is likeliest; a state may still lie nearly as far from its word's mean as words lie from each
other. A linear adapter hands all of that on, and the LLM would have to learn to read through it. So Whisper, which is no linear
map, learns to take it away (the centre loss of Wen et al. 2016, to means that stay), while CTC keeps it hearing.

    python -m models.nano.sharpen WORK_DIR --minutes 30
"""

import argparse
import json
from pathlib import Path
from random import Random

import numpy as np
import torch
from torch import Tensor, nn

from models.nano import parallel, synthesize
from models.nano.optimizer import Optimizer
from models.nano.sources import ENGLISH
from models.nano.spelling import word_numbers
from models.nano.stage import Stage, require
from models.nano.states import Means
from models.nano.synthesize import Clip
from models.nano.train_speech import (
    VARIED,
    SpeechModel,
    batches,
    collate,
    ctc_loss,
    evaluate,
    hear,
    load,
)
from models.nano.vary import moved, vary
from models.nano.world.spoken import language_of, tokens

RATE, LAST_RATE = 1e-3, 1e-5  # learning rates: first, last
WEIGHT = 2.0  # of the distance to the means, against CTC
BLANKS = 0.05  # weight of a position without a word


def train(folder: Path, minutes: float, rate: float = RATE) -> None:
    """Continues the finished ``speech.pt`` into ``sharpen.pt``, for ``minutes`` in all, over as many resumed runs as it takes."""
    stage = Stage(folder, "sharpen", minutes, rate, LAST_RATE)
    clips, dev = synthesize.load(folder / "speech"), synthesize.load(folder / "dev")
    state = stage.load() or torch.load(folder / "speech.pt", weights_only=True)
    model = load(state)
    model.phoneme_head.requires_grad_(False)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = Optimizer(model, rate)
    words = {word: i for i, word in enumerate(model.words)}
    clips = [clip for clip in clips if all(token in words for token in tokens(clip.text))]
    clips += (ENGLISH - 1) * [clip for clip in clips if language_of(clip.text) == "en"]
    means = state["means"] if "means" in state else mean_states(model, clips)
    if "means" in state and "optimizer" in state:
        optimizer.load_state_dict(state["optimizer"])
    spread = (means - means.mean(dim=0)).square().sum(dim=1).mean()
    generator = torch.Generator().manual_seed(1000 * stage.step + parallel.rank())
    rng = Random(f"moved {stage.step} {parallel.rank()}")
    sums = np.zeros(3)
    while not stage.over:
        for group in parallel.share(batches(clips, Random(f"sharpen {stage.step}"))):
            stage.set_rate(optimizer)
            mel, _, said, counts = collate([moved(clip, rng) for clip in group], {}, words)
            if torch.rand((), generator=generator) < VARIED:
                mel = vary(mel, generator)
            states, logits = hear(model, mel)
            ctc = ctc_loss(logits, said, counts)
            away = distance(states.float(), logits, said, counts, means) / spread
            optimizer.zero_grad()
            (ctc + WEIGHT * away).backward()
            parallel.average(trained)
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            due = stage.tick()
            sums += (ctc.item(), away.item(), 1)
            if due and parallel.rank() == 0:
                more = {"shape": model.shape, "words": model.words, "phonemes": model.phonemes}
                stage.save(model, optimizer, means=means, **more)
                heard = json.dumps(evaluate(model, dev))
                stage.log(f"ctc {sums[0] / sums[2]:.3f}  away {sums[1] / sums[2]:.3f}  token error {heard}")
                sums[:] = 0
            if stage.over:
                break


@torch.no_grad()
def mean_states(model: SpeechModel, clips: list[Clip]) -> Tensor:
    """``(n_units, d)``, of the clips as they are."""
    means = Means(model)
    for group in parallel.share(batches(clips, Random(7))):
        mel = collate(group, {}, dict.fromkeys(model.words, 0))[0]
        states, logits = hear(model, mel)
        means.add(states, logits.argmax(dim=-1))
    return means.result()


def distance(states: Tensor, logits: Tensor, said: Tensor, counts: Tensor, means: Tensor) -> Tensor:
    """Mean squared distance of the states ``(batch, N_QUERIES, d)`` from the means ``(n_units, d)`` of what was said there.

    Clips count in which CTC's likeliest path has as many words as were said: which one is where is certain only there.
    """
    blank = len(means) - 1
    heard = logits.argmax(dim=-1).numpy()
    numbers = word_numbers(heard, blank)
    squared, weights = [torch.zeros(1)], [torch.full((1,), 1e-6)]
    for row, ids in enumerate(said.split(counts.tolist())):
        if numbers[row, -1] + 1 != len(ids):
            continue
        is_word = torch.from_numpy(heard[row] != blank)
        units = torch.where(is_word, ids[torch.from_numpy(numbers[row]).clamp(min=0)], blank)
        squared.append((states[row] - means[units]).square().sum(dim=1))
        weights.append(torch.where(is_word, 1.0, BLANKS))
    weight = torch.cat(weights)
    return (torch.cat(squared) * weight).sum() / weight.sum()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=RATE, help="learning rate at first")
    options = parser.parse_args()
    require(parser, options.folder, "speech", "dev", "speech.pt")
    parallel.run(train, options.folder, options.minutes, options.rate)


if __name__ == "__main__":
    main()
