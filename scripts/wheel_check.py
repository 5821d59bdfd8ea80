"""Prove the wheel: built here, installed in an empty environment elsewhere, it answers without network.

    .venv/bin/python scripts/wheel_check.py

Fails with one line if the wheel holds what it should not, if the package needs torch or PortAudio to import,
or if the bundled recording is not answered.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

from setup import REQUIREMENTS, ROOT, llama_wheel

MANIFEST = tomllib.loads((ROOT / "models" / "nano" / "bundle.toml").read_text(encoding="utf-8"))
PAGE = "edge_llasm/serve/page/"
NANO = {"README.md", "bundle.toml", *MANIFEST["files"]}
IMPORT = """
import importlib.util, sys
import edge_llasm
assert "site-packages" in edge_llasm.__file__, edge_llasm.__file__
for name in ("torch", "transformers", "huggingface_hub", "sounddevice", "convert", "models"):
    assert importlib.util.find_spec(name) is None, name
"""
# Where no network namespace can be had: every connection is refused inside Python.
REFUSE = """
import socket
def refuse(*_args, **_kwargs):
    raise OSError("the network is unreachable (wheel check)")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
"""


def fail(message: str) -> None:
    sys.exit(f"wheel check: {message}")


def run(command: list[str], **options: object) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        print(done.stdout, file=sys.stderr)
        fail(f"{' '.join(command)} ended with status {done.returncode}")
    return str(done.stdout)


def build(folder: Path) -> Path:
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--no-cache-dir"]
    run([sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(folder), str(ROOT)])
    return next(folder.glob("edge_llasm-*.whl"))


def check_contents(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    prefix = "edge_llasm/bundles/nano/"
    nano = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    demo = {name for name in nano if name.startswith("demo/")}
    if nano - demo != NANO or not any(name.endswith(".ogg") for name in demo):
        fail(f"the wheel's nano should be {sorted(NANO)} and demo/*.ogg, it is {sorted(nano)}")
    served = {path.name for path in (ROOT / PAGE).iterdir()}
    if served - {name.removeprefix(PAGE) for name in names}:
        fail(f"the wheel should hold all of {PAGE}")
    strays = [name for name in names if not name.startswith(("edge_llasm/", "edge_llasm-"))]
    if strays:
        fail(f"the wheel holds more than the package: {strays[:5]}")


def install(wheel: Path, folder: Path) -> Path:
    run([sys.executable, "-m", "venv", str(folder)])
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    run([*pip, "--no-deps", str(llama_wheel())])
    run([*pip, "--require-hashes", "-r", str(REQUIREMENTS / "runtime.txt")])
    run([*pip, "--no-deps", "--no-index", str(wheel)])
    return folder / "bin"


def offline(scratch: Path) -> tuple[list[str], dict[str, str]]:
    """What to put before a command, and into its environment, so that it reaches no network."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "EDGE_LLASM"))
    }
    environment |= {
        "HOME": str(scratch),
        "XDG_CACHE_HOME": str(scratch / "cache"),
        "XDG_DATA_HOME": str(scratch / "data"),
    }
    if (
        shutil.which("unshare")
        and subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode == 0
    ):
        return ["unshare", "-rn"], environment
    (scratch / "refuse").mkdir()
    (scratch / "refuse" / "sitecustomize.py").write_text(REFUSE)
    return [], environment | {"PYTHONPATH": str(scratch / "refuse")}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="edge-llasm-wheel-") as name:
        scratch = Path(name)
        wheel = build(scratch)
        check_contents(wheel)
        print(f"wheel check: {wheel.name}, {wheel.stat().st_size / 1e6:.1f} MB")
        tools = install(wheel, scratch / "venv")
        prefix, environment = offline(scratch)
        elsewhere = scratch / "elsewhere"
        elsewhere.mkdir()
        run([*prefix, str(tools / "python"), "-c", IMPORT], cwd=elsewhere, env=environment)
        nano = "lib/python*/site-packages/edge_llasm/bundles/nano"
        recording = min((scratch / "venv").glob(f"{nano}/demo/*.ogg"))
        command = [*prefix, str(tools / "edge-llasm"), "ask", str(recording)]
        answer = run(command, cwd=elsewhere, env=environment, stdin=subprocess.DEVNULL)
        if not answer.strip():
            fail(f"{recording.name} got no answer")
        how = "in a network namespace of its own" if prefix else "with sockets refused"
        print(f"wheel check: {recording.name} answered {how}:\n{answer.strip()}")


if __name__ == "__main__":
    main()
