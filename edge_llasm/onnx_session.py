"""onnxruntime's sessions as this package opens them: quiet, and with threads that sleep while they wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_llasm.devices import onnxruntime
from edge_llasm.errors import BundleError

__all__ = ["open_session"]

SEVERITY_INFO, SEVERITY_FATAL = 1, 4


def open_session(
    path: Path,
    n_threads: int,
    providers: tuple[str, ...] = (),
    *,
    verbose: bool = False,
    look_only: bool = False,
    any_length: bool = False,
    wide_sums: bool = False,
) -> Any:
    """An InferenceSession on `providers`, best first, and on the CPU for what they cannot do.

    `look_only` prepares nothing for computing, which of a large graph takes seconds and its weights' memory again;
    `any_length` plans no memory ahead, which would fit the length of one input, and take more of it for the next;
    `wide_sums` is for graphs in 8 bits on a processor that loses something there (speech/eight_bits.py).
    Raises BundleError for a file that onnxruntime does not take, EngineError when there is no onnxruntime.
    """
    ort = onnxruntime()
    if not path.is_file():
        raise BundleError(f"{path} is missing; install or convert the model again")
    options = ort.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = not any_length
    # In the order of the graph. By itself onnxruntime computes what all layers of a decoder need of an encoder before
    # the first of them, and keeps it: a hundred megabytes for whisper-small, half a gigabyte for large-v2.
    options.execution_order = ort.ExecutionOrder.PRIORITY_BASED
    # Waiting threads would hold the cores that another engine needs next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if wide_sums:
        options.add_session_config_entry("session.x64quantprecision", "1")
    if look_only:
        options.add_session_config_entry("session.disable_prepacking", "1")
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = SEVERITY_INFO if verbose else SEVERITY_FATAL
    try:
        return ort.InferenceSession(str(path), options, providers=[*providers, "CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no base class of their own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BundleError(f"{path} cannot be opened ({reason}); convert the model again") from error
