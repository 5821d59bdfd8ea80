"""Write requirements/*.txt from pyproject.toml: every version pinned, every file hashed, no addresses.

    python scripts/lock.py [--upgrade] [--torch-wheel FILE ...]

Needs uv on PATH. Pins that are already written are kept unless --upgrade is given. --torch-wheel adds the
hash of a CPU build of torch, so that a machine whose pip finds one may use it in place of the CUDA build.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = str(ROOT / "pyproject.toml")
FOLDER = ROOT / "requirements"
UV = [
    "uv", "pip", "compile", "--no-config", "--quiet", "--universal", "--python-version", "3.11",
    "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate",
]  # fmt: skip
# Packages that only the CUDA build of torch asks for: a CPU build must not drag them in.
CUDA = re.compile(r"^(nvidia-|cuda-|triton)")
# CPU builds of the pinned torch (local version +cpu): not listed by the registry, so uv does not see them.
TORCH_CPU = {
    "2.13.0": ["6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"],  # cp311, Linux x64
}


def compile_group(name: str, *options: str, upgrade: bool, constraints: Path | None = None) -> list[str]:
    """Resolve one group; returns its requirements, one block of lines (pin and hashes) each."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out.txt"
        if not upgrade:
            out.write_text("".join(path.read_text() for path in sorted(FOLDER.glob(f"{name}*.txt"))))
        command = [*UV, *options, "--output-file", str(out)]
        if constraints is not None:
            command += ["--constraints", str(constraints)]
        subprocess.run(command, check=True, cwd=ROOT)
        return re.split(r"\n(?=\S)", out.read_text().strip())


def write(name: str, blocks: list[str]) -> None:
    text = "\n".join(blocks) + "\n"
    if found := re.search(r"://|--(?:extra-)?index-url|--find-links|^/|file:", text, re.MULTILINE):
        sys.exit(f"lock: {name}.txt would record an address ({found.group()!r}); nothing written")
    (FOLDER / f"{name}.txt").write_text(text)
    print(f"requirements/{name}.txt: {len(blocks)} packages")


def package(block: str) -> str:
    return re.split(r"[=\s]", block, maxsplit=1)[0]


def cpu_build(block: str, wheels: list[Path]) -> str:
    """torch's block once more, for its CPU build."""
    pin = block.split()[0]
    digests = TORCH_CPU.get(pin.split("==")[1], [])
    digests += [hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels]
    if not digests:
        sys.exit(f"lock: no hash of a CPU build of {pin} is known: pass --torch-wheel FILE")
    return " \\\n".join([f"{pin}+cpu", *(f"    --hash=sha256:{digest}" for digest in dict.fromkeys(digests))])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--upgrade", action="store_true", help="take the newest that pyproject.toml allows")
    parser.add_argument("--torch-wheel", type=Path, action="append", default=[], metavar="FILE")
    options = parser.parse_args()
    tested = ["--group", "dev"]
    for extra in ("bench", "media", "hotkey", "serve"):
        tested += ["--extra", extra]
    dev = compile_group("dev", PROJECT, *tested, upgrade=options.upgrade)
    write("dev", dev)
    held = FOLDER / "dev.txt"
    write("runtime", compile_group("runtime", PROJECT, upgrade=options.upgrade, constraints=held))
    build = compile_group("build", "--group", "build", upgrade=options.upgrade, constraints=held)
    write("build", build)
    everything = compile_group(
        "torch", PROJECT, *tested, "--extra", "train", upgrade=options.upgrade, constraints=held
    )
    known = {package(block) for block in dev}
    added = [block for block in everything if package(block) not in known]
    write("torch-cuda", [block for block in added if CUDA.match(block)])
    rest = [block for block in added if not CUDA.match(block)]
    write("torch", rest)
    write("torch-cpu", [cpu_build(b, options.torch_wheel) for b in rest if package(b) == "torch"])


if __name__ == "__main__":
    main()
