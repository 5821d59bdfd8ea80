"""Set up .venv from the hash-pinned requirements; does nothing when that is already done.

    python3 scripts/setup.py runtime|dev|torch

llama.cpp is compiled for this machine's own processor. The wheel is kept in the user's cache folder under a
key of everything it depends on, so that a second checkout need not compile again; nothing relies on its being
there.
CMAKE_ARGS from the environment is passed on (CUDA, RPC ...). Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
VENV = Path(os.environ.get("VENV", ROOT / ".venv")).absolute()
PYTHON = VENV / "bin" / "python"
CMAKE_FILE = REQUIREMENTS / "llama.cmake"
LAYERS = {"runtime": ["runtime"], "dev": ["dev"], "torch": ["dev", "torch"]}
HEARTBEAT_S = 30


def fail(message: str) -> None:
    sys.exit(f"setup: {message}")


def run(step: str, command: list[str], *, may_fail: bool = False, **environment: str) -> None:
    """Run one step with its output in VENV/setup.log; prints the log's end and exits if it fails."""
    print(f"setup: {step} ", end="", flush=True)
    started = beat = time.monotonic()
    log = VENV / "setup.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environment},
        )
        try:
            while process.poll() is None:
                time.sleep(0.2)
                if time.monotonic() - beat > HEARTBEAT_S:
                    beat = time.monotonic()
                    print(".", end="", flush=True)
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            print()
            sys.exit(130)
    print(f"({time.monotonic() - started:.0f} s)", flush=True)
    if process.returncode != 0 and not may_fail:
        print("\n".join(log.read_text(errors="replace").splitlines()[-25:]), file=sys.stderr)
        fail(f"{step} failed with status {process.returncode}; the whole log is {log}")


def pip(*arguments: str) -> list[str]:
    return [str(PYTHON), "-m", "pip", *arguments, "--disable-pip-version-check", "--no-input"]


def check_prerequisites() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is what tells
        fail(f"Python 3.11 or later is needed, not {platform.python_version()}: make PYTHON=/path/to/python3")
    if sys.platform == "darwin" and platform.machine() != "arm64":
        fail("on a Mac, Apple silicon is needed: onnxruntime and pywhispercpp have no builds for Intel Macs")
    if sys.platform == "win32":
        fail("Windows is not supported yet: use WSL")


def check_compiler() -> None:
    if (
        sys.platform == "darwin"
        and subprocess.run(["xcode-select", "-p"], capture_output=True).returncode != 0
    ):
        fail("a C++ compiler is needed: xcode-select --install")
    for variable, names in (("CC", ("cc", "gcc", "clang")), ("CXX", ("c++", "g++", "clang++"))):
        if not os.environ.get(variable) and not any(map(shutil.which, names)):
            fail(
                "a C++ compiler is needed: apt install build-essential (Debian), dnf install gcc-c++ (Fedora)"
            )


def make_venv() -> None:
    if PYTHON.exists():
        return
    done = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True)
    if done.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        fail("python3 -m venv does not work here: apt install python3-venv (Debian, Ubuntu)")


def processor() -> str:
    """What -march=native depends on: a wheel for one processor may crash on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True).stdout + platform.machine()
    telling = re.compile(r"(flags|Features|CPU (part|implementer))\s*:")
    return "\n".join(sorted({line for line in lines if telling.match(line)}))


def compiler() -> str:
    command = [os.environ.get("CXX") or shutil.which("c++") or "g++", "--version"]
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout
    except OSError:
        return ""


def llama_requirement() -> str:
    """The pinned line of llama-cpp-python with its hashes, as a requirements file of its own."""
    pins = (REQUIREMENTS / "runtime.txt").read_text()
    found = re.search(r"^llama-cpp-python==.*\n(?: +--hash=.*\n)+", pins, re.MULTILINE)
    if found is None:
        sys.exit("setup: requirements/runtime.txt does not pin llama-cpp-python: run scripts/lock.py")
    return found.group()


def llama_key() -> str:
    parts = [llama_requirement(), CMAKE_FILE.read_text(), os.environ.get("CMAKE_ARGS", "")]
    parts += [processor(), compiler(), platform.machine(), sys.platform]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def cache_folder() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("EDGE_LLASM_WHEELS", Path(home) / "edge-llasm" / "wheels"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return VENV / "wheels"
    return folder


def llama_wheel() -> Path:
    """The wheel of llama.cpp for this machine: from the cache, else compiled and put there."""
    home = cache_folder() / llama_key()
    for wheel in home.glob("*.whl"):
        return wheel
    check_compiler()
    run(
        "installing the build tools",
        pip("install", "--require-hashes", "-r", str(REQUIREMENTS / "build.txt")),
    )
    with tempfile.TemporaryDirectory() as scratch:
        one = Path(scratch) / "llama.txt"
        one.write_text(llama_requirement())
        # pip's own cache does not look at CMAKE_ARGS or the processor, so it is left out.
        options = ["--no-deps", "--no-build-isolation", "--no-cache-dir", "--require-hashes"]
        half = f"-DCMAKE_PROJECT_llama.cpp_INCLUDE={shlex.quote(str(CMAKE_FILE))}"
        arguments = f"{os.environ.get('CMAKE_ARGS', '')} {half}"
        run(
            "compiling llama.cpp, once (about 4 minutes on two cores)",
            pip("wheel", *options, "-r", str(one), "--wheel-dir", scratch),
            CMAKE_ARGS=arguments.strip(),
            PATH=f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}",
        )
        built = next(Path(scratch).glob("*.whl"))
        home.mkdir(parents=True, exist_ok=True)
        partial = home / f"{built.name}.{os.getpid()}"
        shutil.copy(built, partial)
        return partial.replace(home / built.name)


def torch_is_cuda() -> bool:
    """Whether pip found the registry's CUDA build of torch rather than a CPU build."""
    program = "import importlib.metadata as m; print(m.version('torch'), m.requires('torch'))"
    found = subprocess.run([str(PYTHON), "-c", program], capture_output=True, text=True).stdout
    return sys.platform == "linux" and "nvidia" in found and "+cpu" not in found.split()[0]


def install(layer: str) -> None:
    installed = VENV / "llama.key"
    if not installed.exists() or installed.read_text() != llama_key():
        run("installing llama.cpp", pip("install", "--no-deps", "--force-reinstall", str(llama_wheel())))
        installed.write_text(llama_key())
    if layer == "torch":
        # A CPU build is a fifth of the size. Where pip finds none, torch.txt brings the registry's own build.
        cpu = str(REQUIREMENTS / "torch-cpu.txt")
        command = pip("install", "--require-hashes", "--no-deps", "-r", cpu)
        run("looking for a CPU build of torch", command, may_fail=True)
    for name in LAYERS[layer]:
        # torch.txt leaves out the CUDA libraries, which a CPU build does not need: nothing to resolve there.
        options = ["--no-deps"] if name == "torch" else []
        file = str(REQUIREMENTS / f"{name}.txt")
        run(f"installing {name}.txt", pip("install", "--require-hashes", *options, "-r", file))
    if layer == "torch" and torch_is_cuda():
        file = str(REQUIREMENTS / "torch-cuda.txt")
        run("installing torch-cuda.txt", pip("install", "--require-hashes", "--no-deps", "-r", file))
    run(
        "installing the build tools",
        pip("install", "--require-hashes", "-r", str(REQUIREMENTS / "build.txt")),
    )
    options = ["--no-deps", "--no-build-isolation", "--no-index"]
    run("installing edge-llasm", pip("install", *options, "--editable", str(ROOT)))


def stamp(layer: str) -> str:
    """A digest of everything that a finished set-up depends on."""
    names = {name for part in LAYERS[layer] for name in (part, "build")}
    files = [*sorted(REQUIREMENTS / f"{name}.txt" for name in names), ROOT / "pyproject.toml", Path(__file__)]
    digest = hashlib.sha256(llama_key().encode() + sys.version.encode() + str(ROOT).encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def is_done(layer: str) -> bool:
    done = VENV / f"setup-{layer}"
    return done.exists() and done.read_text() == stamp(layer)


def main() -> None:
    layer = sys.argv[1] if len(sys.argv) == 2 else ""
    if layer not in LAYERS:
        fail(f"usage: setup.py {'|'.join(LAYERS)}")
    check_prerequisites()
    layers = list(LAYERS)  # each holds the ones before it
    if any(is_done(other) for other in layers[layers.index(layer) :]):
        return
    make_venv()
    install(layer)
    (VENV / f"setup-{layer}").write_text(stamp(layer))


if __name__ == "__main__":
    main()
