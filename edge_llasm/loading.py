"""A bundle's two halves, each checked and loaded beside the other: what hears, and what answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from edge_llasm import silero
from edge_llasm.bundle import Bundle
from edge_llasm.checked import Checked, checked_file
from edge_llasm.devices import Devices, adapter_device, choose_devices, llm_device, speech_device
from edge_llasm.llama_setup import DEFAULTS
from edge_llasm.llm import Llm
from edge_llasm.speech import SpeechEmbedder
from edge_llasm.tuned import Tuned, tuned_for
from edge_llasm.verify import check_llm_header, check_sizes, check_speech_header, check_sums

__all__ = ["Parts", "load_parts"]

CHECKING = 0.5
"""Of a half's progress: the rest is the loading"""


@dataclass(frozen=True)
class Parts:
    """A loaded bundle."""

    devices: Devices
    speech: SpeechEmbedder
    llm: Llm
    tuned: Tuned
    """what `edge-llasm tune` found for this model here"""

    def close(self) -> None:
        """Free both. Raises Busy while an answer is half read."""
        self.llm.close()
        self.speech.close()


def load_parts(
    bundle: Bundle,
    *,
    device: str = "auto",
    speech: str = "auto",
    kv_type: str = DEFAULTS.kv_type,
    flash_attention: str = DEFAULTS.flash_attention,
    repack: str = "auto",
    verbose: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Parts:
    """Load what `device` and `speech` ask for; all files that are opened, and only they, are checked before.

    A file that was checked already and is the same since then is not read again (checked.py). `progress` gets 0 to 1,
    never less than before, on any thread, one call at a time; what it raises ends both halves, and so does Ctrl-C.
    What was opened is closed when anything fails. Raises BundleError, DeviceError, EngineError.
    """
    if device not in ("auto", "cpu"):  # what no build can do is told before anything is loaded
        choose_devices(device, speech, has_onnx=bundle.has_onnx)
    check_sizes(bundle)
    heard_by = speech_device(device, speech, has_onnx=bundle.has_onnx)
    read_by_speech, read_by_llm = bundle.speech_files(heard_by.engine), (bundle.llm_file.name,)
    answered_by = llm_device(device)
    tuned = tuned_for(bundle, answered_by.device)
    n_threads = tuned.speech_threads if heard_by.engine == "onnx" else None
    setup = replace(
        tuned.setup,
        kv_type=kv_type,
        flash_attention=flash_attention,
        repack=tuned.setup.repack if repack == "auto" else repack,
    )
    checked, shares = Checked(checked_file()), _Shares(progress)
    hearing, answering = (
        shares.part(sum(file.size for file in bundle.files if file.name in names))
        for names in (read_by_speech, read_by_llm)
    )

    def open_speech() -> SpeechEmbedder:
        check_speech_header(bundle)
        check_sums(bundle, read_by_speech, lambda share: hearing(CHECKING * share), checked)
        silero.load_session()
        embedder = SpeechEmbedder.open(bundle, device, n_threads, verbose, engine=heard_by.engine)
        try:
            hearing(1.0)
        except BaseException:
            embedder.close()
            raise
        return embedder

    with ExitStack() as opened:
        beside = opened.enter_context(_Beside(open_speech, shares.stop))
        try:
            check_llm_header(bundle)
            check_sums(bundle, read_by_llm, lambda share: answering(CHECKING * share), checked)
            llm = Llm.load(
                bundle.llm_file,
                n_ctx=bundle.llm.n_ctx,
                device=answered_by.device,
                setup=setup,
                verbose=verbose,
                progress=lambda share: answering(CHECKING + (1 - CHECKING) * share),
            )
        except _Stopped:
            beside.result()  # raises why
            raise
        opened.callback(llm.close)
        devices = Devices(heard_by, adapter_device(device), answered_by)
        parts = Parts(devices, beside.result(), llm, tuned)
        opened.pop_all()
        return parts


class _Stopped(Exception):
    """The other half failed."""


class _Shares:
    """How much of each half is done, as one number."""

    def __init__(self, report: Callable[[float], None] | None) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._parts: list[tuple[float, float]] = []  # weight, share
        self._stopped = False

    def part(self, weight: float) -> Callable[[float], None]:
        """What a half calls with its own share; raises _Stopped after `stop`, and what the report raises."""
        index = len(self._parts)
        self._parts.append((weight, 0.0))

        def report(share: float) -> None:
            with self._lock:
                if self._stopped:
                    raise _Stopped
                self._parts[index] = weight, max(share, self._parts[index][1])
                if self._report is not None:
                    done = sum(weight * share for weight, share in self._parts)
                    self._report(min(1.0, done / sum(weight for weight, _ in self._parts)))

        return report

    def stop(self) -> None:
        """End both at their next report."""
        self._stopped = True


class _Closable(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=_Closable)


class _Beside(Generic[C]):
    """Something is opened on a thread of its own; `failed` is called there when it cannot be.

    Leaving it ends that at its next report, waits for it, and closes what was opened.
    """

    def __init__(self, open_it: Callable[[], C], failed: Callable[[], None]) -> None:
        self._open, self._failed = open_it, failed
        self._opened: C | None = None
        self._error: BaseException | None = None
        # What is waited for: a `join` that Ctrl-C breaks off takes the thread for ended too (CPython 3.11).
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edge-llasm-load", daemon=True)

    def result(self) -> C:
        """Wait for it; raises what opening it raised."""
        self._over.wait()
        if self._error is not None:
            raise self._error
        assert self._opened is not None
        return self._opened

    def _run(self) -> None:
        try:
            self._opened = self._open()
        except BaseException as error:  # noqa: BLE001  handed over to the waiting thread, whatever it is
            self._error = error
            self._failed()
        finally:
            self._over.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._failed()
        self._over.wait()
        self._thread.join()
        if self._opened is not None:
            self._opened.close()
