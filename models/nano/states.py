"""Whisper's states of every clip, computed once: it is frozen while the LLM learns.

They go through the same variations that speech pre-training used, so that the LLM learns to live with imperfect hearing.
"""

from pathlib import Path
from random import Random

import numpy as np
import torch
from torch import Tensor

from models.nano import hearing, parallel, samples, synthesize
from models.nano.language import Llasm
from models.nano.samples import Layouts
from models.nano.train_speech import VARIED, batches, collate, load, vary
from models.nano.world.spoken import tokens


def compute(folder: Path) -> None:
    """What is heard in the clips: ``NAME_states.npy`` (clips, N_QUERIES, d) float16, the query states, and ``NAME_words.npy``
    (clips, N_QUERIES) int16, the likeliest unit of CTC's output at each; NAME is ``speech`` or ``dev``.
    """
    model = load(torch.load(folder / "speech.pt", weights_only=True))
    model.eval()
    for name in ("dev", "speech"):
        clips = synthesize.load(folder / name)
        shape = (len(clips), hearing.N_QUERIES)
        files = folder / f"{name}_states.npy", folder / f"{name}_words.npy"
        if parallel.rank() == 0:
            np.lib.format.open_memmap(files[0], "w+", np.float16, (*shape, model.shape[0])).flush()
            np.lib.format.open_memmap(files[1], "w+", np.int16, shape).flush()
        parallel.agree(0.0)
        states, words = (np.lib.format.open_memmap(file, "r+") for file in files)
        where = {id(clip): i for i, clip in enumerate(clips)}
        generator = torch.Generator().manual_seed(parallel.rank())
        for group in parallel.share(batches(clips, Random(9))):
            mel = collate(group, {}, dict.fromkeys(model.words, 0))[0]
            if name == "speech" and torch.rand((), generator=generator) < VARIED:
                mel = vary(mel, generator)
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                normalized = hearing.normalize(mel).transpose(1, 2)
                read = hearing.read(model.whisper, hearing.encode(model.whisper, normalized))
                likeliest = model.word_head(read).argmax(dim=-1)
            rows = [where[id(clip)] for clip in group]
            states[rows], words[rows] = read.float().numpy(), likeliest.numpy()
        states.flush()
        words.flush()
        parallel.agree(0.0)


def layouts(folder: Path) -> Layouts:
    """Where Whisper puts the words, by their number: it counts from both ends, and how far from each differs."""
    blank = len(load(torch.load(folder / "speech.pt", weights_only=True)).words)
    found: dict[int, list[tuple[int | None, ...]]] = {}
    for clip, heard in zip(
        synthesize.load(folder / "speech"), np.load(folder / "speech_words.npy"), strict=True
    ):
        begins = (heard != blank) & (heard != np.concatenate(([blank], heard[:-1])))
        number = np.cumsum(begins) - 1
        if number[-1] + 1 == len(tokens(clip.text)):
            row = tuple(int(n) if unit != blank else None for n, unit in zip(number, heard, strict=True))
            found.setdefault(int(number[-1]) + 1, []).append(row)
    return found


def word_states(folder: Path) -> tuple[list[str], Tensor]:
    """The units of CTC's output, the blank (as ``""``) last, and the mean state where each is heard: ``(n, d)``.

    A unit that was never heard in the first place has the direction of its row of CTC's output.
    """
    speech = load(torch.load(folder / "speech.pt", weights_only=True))
    rows = speech.word_head.weight.detach()
    sums, counts = torch.zeros_like(rows), torch.zeros(len(rows))
    states = np.load(folder / "speech_states.npy", mmap_mode="r")
    words = np.load(folder / "speech_words.npy")
    for at in range(0, len(states), 500):
        block = torch.from_numpy(states[at : at + 500].astype(np.float32)).flatten(0, 1)
        heard = torch.from_numpy(words[at : at + 500].astype(np.int64)).flatten()
        sums.index_add_(0, heard, block)
        counts.index_add_(0, heard, torch.ones(len(heard)))
    means = sums / counts.clamp(min=1)[:, None]
    typical = means[counts > 0].norm(dim=1).mean()
    never = rows * typical / rows.norm(dim=1, keepdim=True)
    return [*speech.words, ""], torch.where((counts > 0)[:, None], means, never)


def align(model: Llasm, folder: Path, writer: samples.Writer) -> Tensor:
    """``Llasm.align`` for every word that is one piece, and the blank; returns their token ids ``(n,)``."""
    words, states = word_states(folder)
    pieces = [writer.heard_pieces(word) for word in words]
    single = [i for i, piece in enumerate(pieces) if len(piece) == 1]
    ids = torch.tensor([pieces[i][0] for i in single])
    model.align(ids, states[single])
    return ids
