"""Hidden states of the speech tower -> embeddings of the language model: adapter.onnx on onnxruntime.

In LLaSM it is one linear layer (arXiv 2308.15930, section 3.2), but any graph with one
input (n, d) and one output (n, n_embd) will do.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_llasm.devices import adapter_device
from edge_llasm.errors import BundleError, EngineError
from edge_llasm.onnx_session import open_session

CUDA = "CUDAExecutionProvider"


class Adapter:
    """An open adapter.onnx."""

    def __init__(self, session: Any, path: Path, device: str) -> None:
        self._session = session
        self.path = path
        self.device = device
        """cpu or cuda"""
        self.d, self.n_embd = _dims(session, path)
        self._input: str = session.get_inputs()[0].name

    @classmethod
    def open(cls, path: Path, device: str = "cpu", n_threads: int = 1) -> Adapter:
        """Raises BundleError for a file that is not such a graph, EngineError, DeviceError."""
        # One thread: on a small matrix product a pool of them costs more than it saves.
        session = open_session(path, n_threads, (CUDA,) if adapter_device(device).device == "cuda" else ())
        # A CUDA build without a working driver falls back by itself: report what was really taken.
        return cls(session, path, "cuda" if session.get_providers()[0] == CUDA else "cpu")

    def embed(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, d) f32 -> (n, n_embd) f32. Raises EngineError when a number overflows."""
        if self._session is None:
            raise EngineError("the adapter is closed; load the model again")
        if states.ndim != 2 or states.shape[1] != self.d:
            raise ValueError(f"the adapter takes (n, {self.d}), not {states.shape}")
        values = self._session.run(None, {self._input: np.ascontiguousarray(states, np.float32)})[0]
        if values.shape != (states.shape[0], self.n_embd):
            raise EngineError(f"{self.path} gave {values.shape} for {states.shape}; convert the model again")
        if not np.isfinite(values).all():
            raise EngineError(f"{self.path} gave numbers that are not finite; convert the model again")
        return np.asarray(values, np.float32)

    def close(self) -> None:
        """Free the session; nothing can be embedded afterwards."""
        self._session = None

    def __enter__(self) -> Adapter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()


def _dims(session: Any, path: Path) -> tuple[int, int]:
    """(d, n_embd) of a graph with one f32 input (n, d) and one f32 output (n, n_embd). Raises BundleError."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise BundleError(
            f"{path} has {len(inputs)} inputs and {len(outputs)} outputs, not one of each; "
            "convert the model again"
        )
    widths = []
    for value in (inputs[0], outputs[0]):
        shape = value.shape
        if len(shape) != 2 or not isinstance(shape[1], int) or value.type != "tensor(float)":
            raise BundleError(
                f"{path} has {value.name!r} of type {value.type} and shape {shape}, not float32 (n, width); "
                "convert the model again"
            )
        widths.append(shape[1])
    return widths[0], widths[1]
