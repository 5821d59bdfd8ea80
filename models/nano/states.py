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
from models.nano.train_speech import VARIED, batches, collate, load, vary


def compute(folder: Path) -> None:
    """The query states of the clips: ``speech_states.npy`` and ``dev_states.npy``, each (clips, N_QUERIES, d) float16."""
    model = load(torch.load(folder / "speech.pt", weights_only=True))
    model.eval()
    for name in ("dev", "speech"):
        clips = synthesize.load(folder / name)
        shape = (len(clips), hearing.N_QUERIES, model.shape[0])
        file = folder / f"{name}_states.npy"
        if parallel.rank() == 0:
            np.lib.format.open_memmap(file, "w+", np.float16, shape).flush()
        parallel.agree(0.0)
        out = np.lib.format.open_memmap(file, "r+")
        where = {id(clip): i for i, clip in enumerate(clips)}
        generator = torch.Generator().manual_seed(parallel.rank())
        for group in parallel.share(batches(clips, Random(9))):
            mel = collate(group, {}, dict.fromkeys(model.words, 0))[0]
            if name == "speech" and torch.rand((), generator=generator) < VARIED:
                mel = vary(mel, generator)
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                normalized = hearing.normalize(mel).transpose(1, 2)
                states = hearing.read(model.whisper, hearing.encode(model.whisper, normalized))
            out[[where[id(clip)] for clip in group]] = states.float().numpy().astype(np.float16)
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


def align(model: Llasm, folder: Path, writer: samples.Writer) -> Tensor:
    """``Llasm.align`` for every word that is one piece, and the blank; returns their token ids ``(n,)``."""
    words, states = word_states(folder)
    pieces = [writer.heard_pieces(word) for word in words]
    single = [i for i, piece in enumerate(pieces) if len(piece) == 1]
    ids = torch.tensor([pieces[i][0] for i in single])
    model.align(ids, states[single])
    return ids
