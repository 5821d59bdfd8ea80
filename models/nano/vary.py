"""A clip heard once more, a little different: another speaker, another place, another moment of the recording's beginning."""

import math
from dataclasses import replace
from random import Random

import torch
from torch import Tensor, nn

from edge_llasm.speech.mel import HOP, SAMPLE_RATE
from models.nano.synthesize import Clip

FRAME_SECONDS = HOP / SAMPLE_RATE
LEAST_AROUND = 0.05  # seconds of silence that stay around the speech


def vary(mel: Tensor, generator: torch.Generator) -> Tensor:
    """Another speaker in another place: vocal tract length, timbre, a noise floor, masks in time and frequency.

    (VTLP: Jaitly & Hinton 2013; SpecAugment: arXiv 1904.08779.) ``(batch, n_frames, 80)`` log10 power, not in place.
    """
    batch, frames, bins = mel.shape

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator) * (high - low) + low

    at = torch.arange(bins, dtype=torch.float32) * uniform(0.86, 1.16, batch, 1)
    at = at + uniform(-1.5, 1.5, batch, 1)
    at = at.clamp(0, bins - 1)
    below = at.floor().clamp(max=bins - 2)
    weight = (at - below)[:, None, :]
    low = below.long()[:, None, :].expand(-1, frames, -1)
    mel = mel.gather(2, low) * (1 - weight) + mel.gather(2, low + 1) * weight
    knots = torch.randn(batch, 1, 6, generator=generator) * 0.25  # decades
    mel = mel + nn.functional.interpolate(knots, size=bins, mode="linear", align_corners=True)
    loud = mel.amax(dim=(1, 2), keepdim=True)
    shape = nn.functional.interpolate(
        torch.randn(batch, 1, 5, generator=generator) * 0.5, size=bins, mode="linear", align_corners=True
    )
    floor = loud - uniform(2.5, 8.0, batch, 1, 1) + shape + torch.randn(mel.shape, generator=generator) * 0.2
    mel = torch.logaddexp(mel * math.log(10), floor * math.log(10)) / math.log(10)
    position, band = torch.arange(frames), torch.arange(bins)
    for _ in range(2):
        start, width = uniform(0, frames, batch, 1), uniform(0, 16, batch, 1)
        masked = (position >= start) & (position < start + width)
        low_bin, height = uniform(0, bins, batch, 1), uniform(0, 14, batch, 1)
        masked_band = (band >= low_bin) & (band < low_bin + height)
        mel = torch.where(masked[:, :, None] | masked_band[:, None, :], loud - 4.0, mel)
    return mel


def moved(clip: Clip, rng: Random) -> Clip:
    """With less of the silence at its ends: the runtime cuts it elsewhere, and what is heard must not hang on where.

    Nothing is known of the silence around a clip without phonemes: it stays as it is.
    """
    spoken = [i for i, (_, name) in enumerate(clip.phonemes) if name != "_"]
    if not spoken:
        return clip
    frames = len(clip.mel)
    begin = clip.phonemes[spoken[0]][0] - LEAST_AROUND
    after = clip.phonemes[spoken[-1] + 1 :]
    end = (after[0][0] if after else frames * FRAME_SECONDS) + LEAST_AROUND
    first = rng.randint(0, max(0, int(begin / FRAME_SECONDS)))
    last = rng.randint(min(frames, math.ceil(end / FRAME_SECONDS)), frames)
    phonemes = [(start - first * FRAME_SECONDS, name) for start, name in clip.phonemes]
    return replace(clip, mel=clip.mel[first:last], phonemes=phonemes)
