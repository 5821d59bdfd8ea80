"""``python -m convert``: the command line of the conversion."""

import argparse
import sys
from pathlib import Path

from convert.bundle import require_absent, write_bundle
from convert.checkpoint import load_parts
from convert.hub import find_places, require_room
from convert.llm import LLM_TYPES
from convert.whisper import SPEECH_TYPES
from edge_llasm.cli.transfer import transfer
from edge_llasm.errors import EdgeLlasmError

EXAMPLE = """\
example:
  python -m convert LinkSoul/LLaSM-Cllama2 models/llasm-cllama2 --quantize Q8_0
  python -m convert checkpoints/nano --whisper checkpoints/nano-whisper out/nano \\
      --quantize Q8_0 --speech-type q8_0

What is fetched goes into the Hub's own cache. A download that was interrupted goes on where it stopped when the
same command is run again. HF_ENDPOINT, HF_HUB_CACHE, HF_HUB_OFFLINE and HF_TOKEN are obeyed.
"""


def main(arguments: list[str] | None = None) -> int:
    """Convert; returns the exit status. A refusal is one line on standard error."""
    options = parser().parse_args(arguments)
    try:
        require_absent(options.out)
        take(options)
        overrides = {
            "version": options.model_version,
            "licence": options.licence,
            "template": options.template,
        }
        parts = load_parts(options.checkpoint, options.whisper, name=options.name, overrides=overrides)
        write_bundle(parts, options.out, speech_type=options.speech_type, llm_type=options.quantize)
    except EdgeLlasmError as error:
        print(f"convert: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("convert: interrupted, no bundle was written; what was fetched is kept", file=sys.stderr)
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
            print(f"convert: {place}", file=sys.stderr)
    require_room(places)
    with transfer("fetching", sum(place.size for place in places)) as progress:
        for place in places:
            place.fetch(progress)
    options.checkpoint, options.whisper = (place.folder for place in places)
    options.name = options.name or places[0].manifest.get("name")
    options.licence = options.licence or places[0].manifest.get("licence")


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
    add("--name", help="of the model (default: config.json's, else the folder's or the repository's)")
    add("--model-version", metavar="VERSION", help="of the model, for its manifest")
    add("--licence", help="of the weights, for the manifest")
    add("--template", help="the prompt's form, a name in edge_llasm.prompt.TEMPLATES")
    return result


if __name__ == "__main__":
    sys.exit(main())
