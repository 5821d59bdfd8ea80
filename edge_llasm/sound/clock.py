"""When was it heard? Drivers tell, but some hand over several blocks at once and give each the time of the last."""

from __future__ import annotations

from collections import deque

__all__ = ["Clock"]

WINDOW_S = 1.0
"""Of blocks that are compared: short enough to find its way back after samples were lost"""


class Clock:
    """One stream's. Its blocks come in order, each some while after it was heard."""

    def __init__(self, rate: float, block_s: float) -> None:
        self._rate = rate
        self._samples = 0
        self._starts: deque[float] = deque(maxlen=round(WINDOW_S / block_s))

    def until(self, n_samples: int, began: float, now: float) -> float:
        """When the last of these samples was heard, s of the driver's clock.

        `began` is the driver's word on the first one, `now` the time at which they come. That is at least one sample
        after another, counted from when the earliest of the last second came: nothing is heard before it is.
        """
        self._samples += n_samples
        self._starts.append(now - self._samples / self._rate)
        return min(began + n_samples / self._rate, min(self._starts) + self._samples / self._rate)
