"""A virtual sound card: PulseAudio of our own, whose null sinks are what is heard and what is played. All is silent."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from importlib.util import find_spec
from math import log10
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.float32]

RATE = 48_000  # Hz
SILENT = 1e-3  # of full scale
OVER_S = 0.3  # of silence, after what was said


class Room:
    """What is played in it is what the microphone hears."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def play(self, recording: Path) -> subprocess.Popen[bytes]:
        """Begin to play a file into the room, far enough ahead that a busy machine leaves no gap in it."""
        command = ["paplay", "--device=room", "--latency-msec=500", str(recording)]
        return subprocess.Popen(command, env=self._environment)

    def control(self, *arguments: str) -> str:
        """pactl."""
        done = subprocess.run(
            ["pactl", *arguments], env=self._environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    def furnish(self) -> None:
        """Put a loudspeaker into the next room, which this room's microphone does not hear."""
        self.control("load-module", "module-null-sink", "sink_name=next", f"rate={RATE}", "channels=1")
        self.control("set-default-sink", "next")
        self.control("set-default-source", "room.monitor")

    def open_door(self, gain: float) -> None:
        """Let the microphone hear the loudspeaker, so much fainter."""
        arguments = "source=next.monitor", "sink=room", "latency_msec=30"
        module = self.control("load-module", "module-loopback", *arguments).strip()
        sounds = self.control("list", "sink-inputs").split("Sink Input #")[1:]
        (loop,) = [one.split()[0] for one in sounds if f"Owner Module: {module}\n" in one]
        self.control("set-sink-input-volume", loop, f"{20 * log10(gain):.1f}dB")

    @contextmanager
    def tap(self, sink: str = "next") -> Iterator["Tap"]:
        """Record what a sink plays."""
        command = ["parec", f"--device={sink}.monitor", f"--rate={RATE}", "--channels=1",
                   "--format=s16le", "--raw", "--latency-msec=10"]  # fmt: skip
        with subprocess.Popen(command, env=self._environment, stdout=subprocess.PIPE) as recorder:
            tap = Tap(recorder)
            try:
                tap.wait()
                yield tap
            finally:
                recorder.terminate()
                tap.end()


class Tap:
    """What a loudspeaker played until now."""

    def __init__(self, recorder: subprocess.Popen[bytes]) -> None:
        assert recorder.stdout is not None
        self._pipe, self._parts, self.loud_at = recorder.stdout, [np.zeros(0, np.float32)], 0.0
        self._came = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def samples(self) -> Samples:
        """(n,) f32 at RATE."""
        return np.concatenate(self._parts)

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE

    def wait(self) -> None:
        """Until something more was recorded."""
        self._came.clear()
        assert self._came.wait(20)

    def said(self, since: float) -> Samples:
        """What has sounded since, without the silence around it, (n,) f32 at 16 kHz; waits until it is over.

        That is not always what was played: a busy machine's sound server leaves gaps.
        """
        while True:
            part = self.samples[round(since * RATE) :]
            loud = np.flatnonzero(np.abs(part) > SILENT)
            if len(loud) and len(part) - loud[-1] > OVER_S * RATE:
                said: Samples = soxr.resample(part[loud[0] : loud[-1] + 1], RATE, 16_000)
                return said
            self.wait()

    def end(self) -> None:
        self._thread.join()

    def _read(self) -> None:
        """`loud_at` is when the last loud sample came out of the recorder: not before it was played."""
        while data := os.read(self._pipe.fileno(), 1 << 16):
            now = time.monotonic()
            part = np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) / 32768
            loud = np.flatnonzero(np.abs(part) > SILENT)
            if len(loud):
                self.loud_at = now - (len(part) - 1 - loud[-1]) / RATE
            self._parts.append(part)
            self._came.set()


def missing() -> str:
    """What a virtual sound card lacks on this machine; "" = nothing."""
    lacking = [name for name in ("pulseaudio", "pactl", "paplay") if shutil.which(name) is None]
    if not any(Path("/usr").glob("lib*/**/alsa-lib/libasound_module_pcm_pulse.so")):
        lacking.append("ALSA's pulse plugin")
    if find_library("portaudio") is None:
        lacking.append("PortAudio")
    if find_spec("sounddevice") is None:
        lacking.append("sounddevice")
    return f"no virtual sound card without {', '.join(lacking)}" if lacking else ""


@contextmanager
def room(folder: Path) -> Iterator[Room]:
    """A sound server in `folder`, reached through the environment of this process until the end."""
    folder.chmod(0o700)
    ours = {
        "XDG_RUNTIME_DIR": str(folder),
        "PULSE_SERVER": f"unix:{folder}/socket",
    }
    before = {name: os.environ.get(name) for name in ours}
    environment = {**os.environ, **ours, "HOME": str(folder)}
    with (folder / "pulse.log").open("wb") as log:
        server = _start(folder, environment, log)
    try:
        there = Room(environment)
        for _ in range(200):
            if (folder / "socket").exists():
                break
            time.sleep(0.05)
        there.control("info")
        os.environ.update(ours)
        yield there
    finally:
        server.terminate()
        server.wait()
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def _start(folder: Path, environment: dict[str, str], log: BinaryIO) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--log-target=stderr",
         "-L", f"module-native-protocol-unix socket={folder}/socket auth-anonymous=1",
         "-L", f"module-null-sink sink_name=room rate={RATE} channels=1"],
        env=environment, stderr=log,
    )  # fmt: skip
