"""Whisper's states of every clip, computed once: it is frozen while the LLM learns.

Training clips are heard twice: as they are, and through the variations that speech pre-training used. So the LLM learns to live
with imperfect hearing, and not to know a clip again.
"""

from pathlib import Path
from random import Random

import numpy as np
import torch
from torch import Tensor

from models.nano import hearing, parallel, samples, synthesize
from models.nano.language import Llasm
from models.nano.synthesize import Clip
from models.nano.train_speech import SpeechModel, batches, collate, hear, load
from models.nano.vary import moved, vary

TIMES = 2  # that a training clip is heard


def clips_heard(folder: Path) -> list[Clip]:
    """The training clips in the order of their states, each ``TIMES`` times."""
    return synthesize.load(folder / "speech") * TIMES


def computed(folder: Path) -> bool:
    """Whether the states are there, and of Whisper as it is now."""
    whisper, states = folder / "sharpen.pt", folder / "speech_states.npy"
    return states.exists() and states.stat().st_mtime >= whisper.stat().st_mtime


def compute(folder: Path) -> None:
    """What is heard in the clips: ``NAME_states.npy`` (clips, N_QUERIES, d) float16, the query states, and ``NAME_words.npy``
    (clips, N_QUERIES) int16, the likeliest unit of CTC's output at each; NAME is ``speech`` (``clips_heard``) or ``dev``.
    """
    model = finished(folder)
    model.eval()
    for name, times in (("dev", 1), ("speech", TIMES)):
        clips = synthesize.load(folder / name)
        shape = (times * len(clips), hearing.N_QUERIES)
        drafts = folder / f"{name}_words.tmp", folder / f"{name}_states.tmp"  # renamed when they are whole
        if parallel.rank() == 0:
            np.lib.format.open_memmap(drafts[0], "w+", np.int16, shape).flush()
            np.lib.format.open_memmap(drafts[1], "w+", np.float16, (*shape, model.shape[0])).flush()
        parallel.agree(0.0)
        words, states = (np.lib.format.open_memmap(draft, "r+") for draft in drafts)
        where = {id(clip): i for i, clip in enumerate(clips)}
        generator = torch.Generator().manual_seed(parallel.rank())
        rng = Random(f"moved {parallel.rank()}")
        for time in range(times):
            for group in parallel.share(batches(clips, Random(9))):
                as_heard = group if time == 0 else [moved(clip, rng) for clip in group]
                mel = collate(as_heard, {}, dict.fromkeys(model.words, 0))[0]
                with torch.no_grad():
                    read, logits = hear(model, mel if time == 0 else vary(mel, generator))
                rows = [time * len(clips) + where[id(clip)] for clip in group]
                states[rows], words[rows] = read.float().numpy(), logits.argmax(dim=-1).numpy()
        states.flush()
        words.flush()
        parallel.agree(0.0)
        if parallel.rank() == 0:
            for draft, kind in zip(drafts, ("words", "states"), strict=True):
                draft.rename(folder / f"{name}_{kind}.npy")
        parallel.agree(0.0)


def word_states(folder: Path) -> tuple[list[str], Tensor]:
    """The units of CTC's output, the blank (as ``""``) last, and the mean state where each is heard: ``(n, d)``."""
    model = finished(folder)
    means = Means(model)
    states = np.load(folder / "speech_states.npy", mmap_mode="r")
    words = np.load(folder / "speech_words.npy")
    for at in range(0, len(states), 500):
        means.add(
            torch.from_numpy(states[at : at + 500].astype(np.float32)), torch.from_numpy(words[at : at + 500])
        )
    return [*model.words, ""], means.result()


class Means:
    """The mean state of each unit, over the positions where it is likeliest."""

    def __init__(self, model: SpeechModel) -> None:
        self._rows = model.word_head.weight.detach()
        self._sums, self._counts = torch.zeros_like(self._rows), torch.zeros(len(self._rows))

    def add(self, states: Tensor, heard: Tensor) -> None:
        """``(clips, N_QUERIES, d)``, ``(clips, N_QUERIES)``"""
        heard = heard.long().flatten()
        self._sums.index_add_(0, heard, states.float().flatten(0, 1))
        self._counts.index_add_(0, heard, torch.ones(len(heard)))

    def result(self) -> Tensor:
        """``(n_units, d)``, over all processes. One that was never heard has the direction of its row of CTC's output."""
        sums, counts = parallel.total(self._sums), parallel.total(self._counts)
        means = sums / counts.clamp(min=1)[:, None]
        typical = means[counts > 0].norm(dim=1).mean()
        never = self._rows * typical / self._rows.norm(dim=1, keepdim=True)
        return torch.where((counts > 0)[:, None], means, never)


def finished(folder: Path) -> SpeechModel:
    """Whisper as the LLM will hear it, with its heads."""
    return load(torch.load(folder / "sharpen.pt", weights_only=True))


def align(model: Llasm, folder: Path, writer: samples.Writer) -> Tensor:
    """``Llasm.align`` for every word that is one piece, and the blank; returns their token ids ``(n,)``."""
    words, states = word_states(folder)
    pieces = [writer.heard_pieces(word) for word in words]
    single = [i for i, piece in enumerate(pieces) if len(piece) == 1]
    ids = torch.tensor([pieces[i][0] for i in single])
    model.align(ids, states[single])
    return ids
