"""``python -m convert``: the command line of the conversion."""

import argparse
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from convert.bundle import Parts, write_bundle
from convert.checkpoint import load_parts
from convert.errors import ConvertError
from convert.hub import find_places, require_room
from convert.job import Job
from convert.llm import LLM_TYPES
from convert.sizes import float32_bytes
from convert.speech_weights import ONNX_TYPES
from convert.whisper import SPEECH_TYPES
from convert.workplace import require_absent
from edge_llasm.cli.background import in_background
from edge_llasm.cli.leave import leave
from edge_llasm.cli.transfer import transfer
from edge_llasm.errors import EdgeLlasmError
from edge_llasm.room import free_memory
from edge_llasm.units import readable

EXAMPLE = """\
example:
  python -m convert LinkSoul/LLaSM-Cllama2 models/llasm-cllama2 --quantize Q8_0
  python -m convert checkpoints/nano --whisper checkpoints/nano-whisper out/nano \\
      --quantize Q8_0 --speech-type q8_0

A download or a conversion that was interrupted goes on where it was when the same command is given again. What is
fetched goes into the Hub's own cache. HF_ENDPOINT, HF_HUB_CACHE, HF_HUB_OFFLINE and HF_TOKEN are obeyed.
"""


def main(arguments: list[str] | None = None) -> int:
    """Convert; returns the exit status. A refusal is one line on standard error."""
    options = parser().parse_args(arguments)
    job = Job()
    try:
        require_absent(options.out)
        take(options)
        # On a thread: Ctrl-C would not be heard inside llama.cpp's quantizer.
        for line in in_background(lambda cancel: _work(options, job, cancel), job.show):
            job.clear()
            tell(line)
    except EdgeLlasmError as error:
        job.clear()
        tell(f"convert: {error}")
        return 1
    except KeyboardInterrupt:
        job.clear()
        if options.out.exists():
            tell(f"convert: interrupted, {options.out} is complete, but was not compared with its original")
        elif job.place is not None and job.place.abandon():
            tell("convert: interrupted, the same command goes on from the parts that are finished")
        else:
            tell("convert: interrupted, no bundle was written; what was fetched is kept")
        return 130
    print(options.out)
    return 0


def take(options: argparse.Namespace) -> None:
    """Put folders in the place of SOURCE and --whisper, fetched where they are not here.

    Says what is taken from the Hub, and under which licence, before anything large is fetched. Raises ConvertError,
    DownloadError.
    """
    places = find_places(options.checkpoint, options.whisper, options.revision)
    for place in places:
        if place.repo is not None:
            tell(f"convert: {place}")
    require_room(places)
    with transfer("fetching", sum(place.size for place in places)) as progress:
        for place in places:
            place.fetch(progress)
    options.checkpoint, options.whisper = (place.folder for place in places)
    options.name = options.name or places[0].manifest.get("name")
    options.licence = options.licence or places[0].manifest.get("licence")


def _work(options: argparse.Namespace, job: Job, cancel: threading.Event) -> Iterator[str]:
    """Convert and compare, yielding what is to be told."""
    job.cancel = cancel
    overrides = {
        "name": options.name, "version": options.model_version, "licence": options.licence,
        "template": options.template, "context": options.context,
    }  # fmt: skip
    parts = load_parts(
        options.checkpoint, options.whisper, overrides=overrides, whisper_licence=options.whisper_licence
    )
    yield from (f"convert: note: {note}" for note in parts.notes)
    write_bundle(
        parts,
        options.out,
        speech_type=options.speech_type,
        onnx_type=None if options.speech_onnx == "none" else options.speech_onnx,
        llm_type=options.quantize,
        job=job,
    )
    yield f"convert: {job.summary()}"
    if options.no_parity:
        return
    if refusal := _no_room_to_compare(parts):
        yield refusal
        return
    from convert.parity import report

    yield "convert: comparing it with its original in PyTorch; Ctrl-C leaves that out"
    try:
        yield from report(options.out, options.checkpoint, options.whisper).lines()
    except EdgeLlasmError as error:
        raise ConvertError(f"{options.out} is written, but was not compared: {error}") from error


def _no_room_to_compare(parts: Parts) -> str | None:
    """Why the original cannot be computed beside the bundle, in one line."""
    needed, there = float32_bytes(parts.whisper_shape, parts.llama_shape), free_memory()
    if there is None:
        return "convert: not compared with its original: this system does not say how much memory is free"
    if needed > there:
        return (
            f"convert: not compared with its original: that needs {readable(needed)} of memory, "
            f"there are {readable(there)}; python -m convert.parity does it elsewhere"
        )
    return None


def tell(line: str) -> None:
    """On standard error: standard output has the new folder only."""
    sys.stderr.write(line + "\n")


def parser() -> argparse.ArgumentParser:
    """The options."""
    result = argparse.ArgumentParser(
        prog="python -m convert",
        description="Make a bundle, the folder that edge-llasm runs, of a LLaSM checkpoint and its Whisper.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("checkpoint", metavar="SOURCE", help="the checkpoint: a folder, or OWNER/NAME of the Hub")
    add("out", type=Path, metavar="OUT_DIR", help="the new bundle; must not exist")
    add("--whisper", metavar="SOURCE", help="a folder, or OWNER/NAME (default: config.json's mm_audio_tower)")
    add("--revision", help="a branch, tag or commit of SOURCE on the Hub (default: its main branch)")
    add("--quantize", choices=LLM_TYPES, default="f16", help="weights of llm.gguf (default: f16)")
    add("--speech-type", choices=SPEECH_TYPES, default="f16", help="speech.bin (default: f16)")
    add(
        "--speech-onnx",
        choices=(*ONNX_TYPES, "none"),
        default="int8",
        help="speech.onnx, what hears on a CPU: the fastest first (default: int8; none leaves it out)",
    )
    add("--name", help="of the model (default: config.json's, else the folder's or the repository's)")
    add("--model-version", metavar="VERSION", help="of the model, for its manifest")
    add("--licence", help="of the weights, for the manifest (default: the checkpoint's)")
    add("--whisper-licence", metavar="LICENCE", help="of Whisper's weights (default: its card's)")
    add(
        "--context",
        type=_positions,
        metavar="N",
        help="positions to keep (default: the model's, at most 8192)",
    )
    add("--template", help="the prompt's form, a name in edge_llasm.prompt.TEMPLATES")
    add("--no-parity", action="store_true", help="do not compare the bundle with its original at the end")
    return result


def _positions(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of positions")
    return int(text)


if __name__ == "__main__":
    leave(main())
