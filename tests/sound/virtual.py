"""A virtual sound card: PulseAudio of our own, whose null sink is the microphone's source. Nothing is heard."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

RATE = 48_000  # Hz


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
        "PULSE_LATENCY_MSEC": "30",
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
