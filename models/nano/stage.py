"""One stage of training by the clock: learning rate, log, checkpoint. A run that was stopped goes on where it saved last."""

import argparse
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.nano import parallel
from models.nano.optimizer import Optimizer

SAVE_EVERY = 120.0  # seconds
WARM_UP = 250  # steps


class Stage:
    """``FOLDER/NAME.pt`` and ``FOLDER/NAME.log``; ``minutes`` in all, over as many runs as it takes."""

    def __init__(
        self, folder: Path, name: str, minutes: float, peak_rate: float, last_rate: float = 0.0
    ) -> None:
        self.minutes, self.step, self.spent = minutes, 0, 0.0
        self._file, self._log, self._peak = folder / f"{name}.pt", folder / f"{name}.log", peak_rate
        self._last_rate = last_rate
        self._last = self._saved = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """What was saved: ``model``, ``optimizer`` (unless begun from a published checkpoint) and whatever else."""
        if not self._file.exists():
            return None
        state: dict[str, Any] = torch.load(self._file, weights_only=True)
        self.spent, self.step = state["spent"], state["step"]
        return state

    @property
    def progress(self) -> float:
        """0 … 1."""
        return min(1.0, self.spent / self.minutes)

    @property
    def over(self) -> bool:
        return self.spent >= self.minutes

    def set_rate(self, optimizer: Optimizer) -> None:
        cosine = 0.5 * (1 + math.cos(math.pi * self.progress))
        warm_up = min(1.0, (self.step + 1) / WARM_UP)
        optimizer.set_rate(warm_up * (self._last_rate + (self._peak - self._last_rate) * cosine))

    def tick(self) -> bool:
        """A step is done; True when it is time to save. The first process's clock counts for all."""
        now = time.monotonic()
        self.spent, self._last = parallel.agree(self.spent + (now - self._last) / 60), now
        self.step += 1
        due = parallel.agree(now - self._saved) > SAVE_EVERY or self.over
        if due:
            self._saved = now
        return due

    def save(self, model: nn.Module, optimizer: Optimizer | None, **more: Any) -> None:
        state = {"model": model.state_dict(), "spent": self.spent, "step": self.step, **more}
        if optimizer is not None:
            state["optimizer"] = optimizer.state_dict()
        torch.save(state, self._file.with_suffix(".tmp"))
        self._file.with_suffix(".tmp").rename(self._file)

    def log(self, line: str) -> None:
        with self._log.open("a", encoding="utf-8") as file:
            file.write(f"{self.spent:6.1f} min  step {self.step:5d}  {line}\n")


def require(parser: argparse.ArgumentParser, folder: Path, *names: str) -> None:
    """Exit with status 2 and one line when what an earlier step makes is not in ``folder``."""
    for name in names:
        if not (folder / name).exists():
            parser.error(
                f"{folder / name} is missing: python -m models.nano.recipe {folder} takes all steps in order"
            )
