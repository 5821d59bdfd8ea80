"""``python -m convert.rivals.files``: a model with random weights, as every program of a comparison wants it.

    OUT/bundle                           what edge-llasm runs; mtmd and the cascade take its llm.gguf too
    OUT/rival/llasm, OUT/rival/whisper   the checkpoint that it was made of
    OUT/rival/whisper-cascade*.bin       its Whisper for whisper.cpp, with a vocabulary of the real size
    OUT/rival/mmproj.gguf                its Whisper's encoder for llama.cpp's libmtmd

Weights and sizes are the same for all of them, but for the projector in mmproj.gguf.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any

from convert.errors import ConvertError
from convert.json_file import read_json
from convert.llm import LlamaShape, tensor_shapes
from convert.random_checkpoint import (
    RELEASED,
    Size,
    checkpoint_bytes,
    is_written,
    llasm_config,
    tower_config,
    write_checkpoint,
)
from convert.rivals.mmproj import mmproj_bytes, write_mmproj
from convert.rivals.towers import load_tower, transcriber_bytes, write_transcriber
from convert.scale import run
from convert.sizes import LLM_BITS, speech_bytes
from convert.speech_weights import OnnxType, weights_bytes
from convert.whisper import SpeechType, WhisperShape
from convert.workplace import one_line
from edge_llasm.bench.cascade import FILES as TRANSCRIBERS
from edge_llasm.bench.mtmd import FILE as MMPROJ
from edge_llasm.errors import EdgeLlasmError
from edge_llasm.manifest import MANIFEST
from edge_llasm.room import require_disk
from edge_llasm.units import readable

SIZES = {
    "laptop": Size(22, 32, 4, 64, 5632, 12, 12, "openai/whisper-small"),  # TinyLlama 1.1B
    "7b": RELEASED,
    "tiny": Size(2, 4, 2, 64, 256, 1, 1, "openai/whisper-tiny", n_pieces=1000),  # for tests
}
DTYPE = "float16"
LLM_TYPE = "Q4_K_M"
SPEECH_TYPE: SpeechType = "f16"
ONNX_TYPE: OnnxType = "int8"
N_QUERIES = 64
NOTE = "size.json"
"""In OUT: of what size everything beside it is"""
BUNDLE, RIVAL = "bundle", "rival"
EXAMPLE = """\
example:
  python -m convert.rivals.files /tmp/laptop --size laptop      # 5 GB when it is done
  python -m convert.rivals.files /tmp/nano --like models/nano/checkpoint

A run that was interrupted goes on where it was when the same command is given again.
"""


def write_files(out: Path, size: Size) -> Iterator[str]:
    """Write what is not there yet, yielding a line about each part. Raises ConvertError, NoRoom."""
    _note(out, {"size": asdict(size)})
    rival, bundle = out / RIVAL, out / BUNDLE
    written, converted = is_written(rival, size, DTYPE), (bundle / MANIFEST).exists()
    needed = 0 if written else checkpoint_bytes(size, DTYPE)
    needed += 0 if converted else _bundle_bytes(size)
    llama, whisper = _shapes(llasm_config(size, DTYPE), tower_config(size, DTYPE))
    require_disk(out, needed + _rival_bytes(rival, whisper, llama.n_embd), "all of it")
    start = time.monotonic()
    write_checkpoint(rival, size, DTYPE)
    yield _line("checkpoint", written, checkpoint_bytes(size, DTYPE), start)
    start = time.monotonic()
    if not converted:
        places = [str(rival / "llasm"), str(bundle), "--whisper", str(rival / "whisper"), "--no-parity"]
        types = ["--quantize", LLM_TYPE, "--speech-type", SPEECH_TYPE, "--speech-onnx", ONNX_TYPE]
        run(["convert", *places, *types])
    yield _line("bundle", converted, sum(path.stat().st_size for path in bundle.iterdir()), start)
    yield from write_rival(rival)


def write_like(out: Path, checkpoint: Path) -> Iterator[str]:
    """The rivals' files for a checkpoint that is there, which is linked. Raises ConvertError, NoRoom."""
    checkpoint = checkpoint.resolve()
    llama, whisper = _shapes(*(read_json(checkpoint / name / "config.json") for name in ("llasm", "whisper")))
    _note(out, {"like": str(checkpoint)})
    rival = out / RIVAL
    require_disk(out, _rival_bytes(rival, whisper, llama.n_embd), "all of it")
    with one_line(f"cannot write {rival}"):
        rival.mkdir(exist_ok=True)
        for name in ("llasm", "whisper"):
            if not (rival / name).is_symlink():
                (rival / name).symlink_to(checkpoint / name)
    yield from write_rival(rival)


def write_rival(rival: Path) -> Iterator[str]:
    """What other engines hear with, beside the checkpoint of the same weights. Raises ConvertError."""
    shape, tensors = load_tower(rival / "whisper")
    n_embd = int(read_json(rival / "llasm" / "config.json")["hidden_size"])
    parts: dict[str, Callable[[Path], None]] = {
        TRANSCRIBERS["f16"]: lambda path: write_transcriber(path, shape, tensors, "f16"),
        TRANSCRIBERS["q8_0"]: lambda path: write_transcriber(path, shape, tensors, "q8_0"),
        MMPROJ: lambda path: write_mmproj(path, shape, tensors, n_embd),
    }
    for name, write in parts.items():
        start, path = time.monotonic(), rival / name
        there = path.exists()
        if not there:
            draft = rival / f".{name}.part"
            with one_line(f"cannot write {path}"):
                write(draft)
                draft.replace(path)  # by its name it is whole
        yield _line(name, there, path.stat().st_size, start)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each part; returns the exit status."""
    options = parser().parse_args(arguments)
    out: Path = options.out
    lines = write_like(out, options.like) if options.like else write_files(out, SIZES[options.size])
    try:
        for line in lines:
            print(line, flush=True)
    except EdgeLlasmError as error:
        print(f"convert.rivals.files: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("convert.rivals.files: interrupted, the same command goes on", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """The options."""
    result = argparse.ArgumentParser(
        prog="python -m convert.rivals.files",
        description="Write a model with random weights, for edge-llasm and for what it is compared with.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("out", type=Path, metavar="OUT", help="a folder for bundle and rival")
    what = result.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--size",
        choices=tuple(SIZES),
        help="laptop: TinyLlama 1.1B and whisper-small; 7b: LLaMA 7B and whisper-large-v2; tiny: for tests",
    )
    what.add_argument(
        "--like",
        type=Path,
        metavar="CHECKPOINT",
        help="of a checkpoint (its llasm and whisper are linked); OUT then has no bundle",
    )
    return result


def _note(out: Path, what: dict[str, Any]) -> None:
    """Refuse a folder that holds other files. Raises ConvertError."""
    note = out / NOTE
    with one_line(f"cannot write {out}"):
        out.mkdir(parents=True, exist_ok=True)
        if note.exists() and read_json(note) != json.loads(json.dumps(what)):
            raise ConvertError(f"{out} holds files of another size: remove it or choose another folder")
        if not note.exists() and any(out.iterdir()):
            raise ConvertError(f"{out} holds something else: choose an empty folder or a new one")
        note.write_text(json.dumps(what), encoding="utf-8")


def _shapes(llasm: dict[str, Any], tower: dict[str, Any]) -> tuple[LlamaShape, WhisperShape]:
    return LlamaShape.from_config(llasm), WhisperShape.from_config(tower)


def _bundle_bytes(size: Size) -> int:
    """While it is made: the quantizer reads a file of 16 bits."""
    llama, whisper = _shapes(llasm_config(size, DTYPE), tower_config(size, DTYPE))
    weights = sum(prod(dims) for _, dims in tensor_shapes(llama))
    speech = speech_bytes(whisper, SPEECH_TYPE) + weights_bytes(whisper, N_QUERIES, ONNX_TYPE)
    return int(weights * (LLM_BITS["f16"] + LLM_BITS[LLM_TYPE]) / 8) + speech


def _rival_bytes(rival: Path, whisper: WhisperShape, n_embd: int) -> int:
    sizes = {
        TRANSCRIBERS["f16"]: transcriber_bytes(whisper, "f16"),
        TRANSCRIBERS["q8_0"]: transcriber_bytes(whisper, "q8_0"),
        MMPROJ: mmproj_bytes(whisper, n_embd),
    }
    return sum(n for name, n in sizes.items() if not (rival / name).exists())


def _line(what: str, there: bool, size: int, start: float) -> str:
    took = "is there" if there else f"written in {time.monotonic() - start:.0f} s"
    return f"{what:<25} {readable(size)}, {took}"


if __name__ == "__main__":
    sys.exit(main())
