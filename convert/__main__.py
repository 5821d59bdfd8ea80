"""``python -m convert``: the command line of the conversion."""

import argparse
import sys
from pathlib import Path

from convert.bundle import require_absent, write_bundle
from convert.checkpoint import load_parts
from convert.llm import LLM_TYPES
from convert.whisper import SPEECH_TYPES
from edge_llasm.errors import EdgeLlasmError

EXAMPLE = """\
example:
  python -m convert checkpoints/nano --whisper checkpoints/nano-whisper out/nano \\
      --quantize Q8_0 --speech-type q8_0
"""


def main(arguments: list[str] | None = None) -> int:
    """Convert; returns the exit status. A refusal is one line on standard error."""
    options = parser().parse_args(arguments)
    overrides = {"version": options.model_version, "licence": options.licence, "template": options.template}
    try:
        require_absent(options.out)
        parts = load_parts(options.checkpoint, options.whisper, name=options.name, overrides=overrides)
        for note in parts.notes:
            print(f"convert: note: {note}", file=sys.stderr)
        write_bundle(parts, options.out, speech_type=options.speech_type, llm_type=options.quantize)
    except EdgeLlasmError as error:
        print(f"convert: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("convert: interrupted, nothing was written", file=sys.stderr)
        return 130
    print(options.out)
    return 0


def parser() -> argparse.ArgumentParser:
    """The options."""
    result = argparse.ArgumentParser(
        prog="python -m convert",
        description="Make a bundle, the folder that edge-llasm runs, of a LLaSM checkpoint and its Whisper.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("checkpoint", type=Path, metavar="CHECKPOINT_DIR", help="config, weights, vocabulary")
    add("out", type=Path, metavar="OUT_DIR", help="the new bundle; must not exist")
    add("--whisper", type=Path, required=True, metavar="WHISPER_DIR", help="Hugging Face's, that it needs")
    add("--quantize", choices=LLM_TYPES, default="f16", help="weights of llm.gguf (default: f16)")
    add("--speech-type", choices=SPEECH_TYPES, default="f16", help="speech.bin (default: f16)")
    add("--name", help="of the model (default: config.json's, else the folder's)")
    add("--model-version", metavar="VERSION", help="of the model, for its manifest")
    add("--licence", help="of the weights, for the manifest")
    add("--template", help="the prompt's form, a name in edge_llasm.prompt.TEMPLATES")
    return result


if __name__ == "__main__":
    sys.exit(main())
