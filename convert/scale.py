"""``python -m convert.scale``: a random checkpoint of the released sizes, converted and asked, with what it took."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from convert.alone import Split, read_and_write
from convert.errors import ConvertError
from convert.footprint import needed_at_load
from convert.llm import LLM_TYPES, LlamaShape
from convert.parity import CLIPS
from convert.random_checkpoint import (
    DTYPES,
    N_SHARDS,
    RELEASED,
    ROOT,
    llasm_config,
    shapes_of,
    tower_config,
    write_checkpoint,
)
from convert.sizes import adapter_bytes, graph_bytes, llm_bytes, speech_bytes
from convert.speech_weights import ONNX_TYPES, weights_bytes
from convert.vocabulary import NORMAL, Vocabulary
from convert.whisper import SPEECH_TYPES, WhisperShape
from edge_llasm.bundle import ADAPTER_FILE, LLM_FILE, ONNX_FILE, SPEECH_FILE, WEIGHTS_FILE, Bundle
from edge_llasm.errors import EdgeLlasmError
from edge_llasm.units import readable

POLL = 0.1
"""Seconds between two looks at a child's memory"""
EXAMPLE = """\
example:
  python -m convert.scale /tmp/full                 # 55 GB of disk, 10 GB of memory for a shard
  python -m convert.scale /tmp/small --scale 0.1 --dtype float16
  python -m convert.scale . --plan --quantize Q8_0  # only how large the bundle will be
"""


@dataclass(frozen=True)
class Usage:
    """What a child process took."""

    seconds: float
    peak: int
    """bytes resident at most, pages of mapped files included; 0 where the system does not say"""
    own: int
    """bytes of them that belong to no file, the most that was seen"""
    output: str
    told: str
    """on standard error"""

    @property
    def memory(self) -> str:
        """For a reader."""
        return f"peak memory {readable(self.peak)}, {readable(self.own)} of it no file's"


def measure(options: argparse.Namespace) -> Iterator[str]:
    """Write, convert and ask, yielding lines of the report. Raises ConvertError, BundleError."""
    out: Path = options.out
    start = time.monotonic()
    write_checkpoint(out, RELEASED.scaled(options.scale), options.dtype)
    yield (
        f"checkpoint   {readable(_size(out / 'llasm'))} in {N_SHARDS} shards of {options.dtype}, "
        f"whisper {readable(_size(out / 'whisper'))}; written in {time.monotonic() - start:.0f} s"
    )
    places = [str(out / "llasm"), str(out / "bundle"), "--whisper", str(out / "whisper"), "--no-parity"]
    types = ["--quantize", options.quantize, "--speech-type", options.speech_type]
    types += ["--speech-onnx", options.speech_onnx]
    usage = run(["convert", *places, *types])
    yield f"conversion   {usage.seconds:.0f} s, {usage.memory}"
    bundle = Bundle.load(out / "bundle")
    yield f"time         {Split.read(usage.told).line(_alone(options, bundle))}"
    if options.delete:
        shutil.rmtree(out / "llasm")
        shutil.rmtree(out / "whisper")
    for file in bundle.files:
        yield f"{file.name:<12} {readable(file.size)}"
    question = str(sorted(CLIPS.glob("*.ogg"))[0])
    ask = run(["edge_llasm", "ask", question, "--model", str(bundle.path), "--max-tokens", "16", "--stats"])
    needed = f"; the manifest says {readable(bundle.memory)}" if bundle.memory else ""
    yield f"ask          {ask.seconds:.0f} s, {ask.memory}{needed}"
    yield f"answer       {ask.output!r}"


def plan(options: argparse.Namespace) -> Iterator[str]:
    """What the bundle will take, on the disk and in memory, without writing anything."""
    scaled = RELEASED.scaled(options.scale)
    config, tower = llasm_config(scaled, options.dtype), tower_config(scaled, options.dtype)
    llama, whisper = LlamaShape.from_config(config), WhisperShape.from_config(tower)
    blank = ("",) * llama.n_vocab
    vocabulary = Vocabulary(blank, (NORMAL,) * llama.n_vocab, 1, 2, 3, 4, 5)
    sizes = {
        SPEECH_FILE: speech_bytes(whisper, options.speech_type),
        ADAPTER_FILE: adapter_bytes(llama.n_embd, whisper.d),
        LLM_FILE: llm_bytes(llama, vocabulary, options.quantize),
    }
    spared = 0  # one engine hears, not both
    if options.speech_onnx != "none":
        of_speech = (whisper, config["audio_token_len"], options.speech_onnx)
        onnx = {ONNX_FILE: graph_bytes(*of_speech), WEIGHTS_FILE: weights_bytes(*of_speech)}
        spared = min(sizes[SPEECH_FILE], sum(onnx.values()))
        sizes |= onnx
    for name, size in sizes.items():
        yield f"{name:<14} {readable(size)}"
    memory = needed_at_load(whisper, llama, llama.n_ctx, sum(sizes.values()) - spared)
    yield f"all of it      {readable(sum(sizes.values()))}, {readable(memory)} of memory"


def _alone(options: argparse.Namespace, bundle: Bundle) -> float:
    """s for the bytes of the checkpoint, of the parts, and of what the quantizer reads; what it writes is its own."""
    sources = [file for name in ("llasm", "whisper") for file in sorted((options.out / name).iterdir())]
    sizes = [file.size for file in bundle.files if file.name != bundle.llm_file.name]
    bytes_each = 4 if options.quantize == "f32" else 2
    config = llasm_config(RELEASED.scaled(options.scale), options.dtype)
    sizes.append(bytes_each * sum(map(prod, shapes_of(config).values())))
    return read_and_write(sources, sizes, options.out / "alone")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report; returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        if not options.plan and (options.out / "bundle").exists():
            raise ConvertError(f"{options.out / 'bundle'} exists already: remove it or choose another folder")
        for line in plan(options) if options.plan else measure(options):
            print(line, flush=True)
    except EdgeLlasmError as error:
        print(f"convert.scale: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("convert.scale: interrupted", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """The options."""
    result = argparse.ArgumentParser(
        prog="python -m convert.scale",
        description="Write a random checkpoint of the released sizes, convert it, ask it, say what that took.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("out", type=Path, metavar="OUT", help="a folder for llasm, whisper and bundle")
    add("--scale", type=float, default=1.0, metavar="X", help="of layers and width (default: 1.0, the 7B)")
    add("--dtype", choices=tuple(DTYPES), default="float32", help="of the checkpoint (default: float32)")
    add("--quantize", choices=LLM_TYPES, default="Q4_K_M", help="llm.gguf (default: Q4_K_M)")
    add("--speech-type", choices=SPEECH_TYPES, default="q8_0", help="speech.bin (default: q8_0)")
    add("--speech-onnx", choices=(*ONNX_TYPES, "none"), default="int8", help="speech.onnx (default: int8)")
    add("--plan", action="store_true", help="only say how large the bundle will be; OUT is not looked at")
    add("--delete", action="store_true", help="delete the checkpoint once it is converted")
    return result


def run(command: Sequence[str]) -> Usage:
    """Run a Python module of the project and watch its memory. Raises ConvertError when it fails."""
    start, peak, own = time.monotonic(), 0, 0
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output, tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], stdout=output, stderr=told, env=environment
        )
        try:
            while process.poll() is None:
                status = _status(process.pid)
                peak, own = max(peak, status.get("VmHWM", 0)), max(own, status.get("RssAnon", 0))
                time.sleep(POLL)
        except BaseException:
            process.terminate()
            raise
        finally:
            process.wait()
            seconds = time.monotonic() - start
            written = [file.read() for file in (output, told) if not file.seek(0)]
            sys.stderr.write(written[1])
    if process.returncode:
        raise ConvertError(f"python -m {' '.join(command)} ended with status {process.returncode}")
    return Usage(seconds, peak, own, written[0].strip(), written[1])


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _status(pid: int) -> dict[str, int]:
    """Bytes by the names in /proc/PID/status; nothing where there is none."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.split() for line in lines)
    return {words[0][:-1]: 1024 * int(words[1]) for words in pairs if words[-1] == "kB"}


if __name__ == "__main__":
    sys.exit(main())
