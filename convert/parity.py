"""``python -m convert.parity``: how far a bundle is from its original; the table goes into its manifest."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.compare import N_TOKENS, compare, expect
from convert.engines import Engines
from convert.errors import ConvertError
from convert.json_file import read_json
from convert.toml import table
from convert.trimmed import trimmed_windows
from convert.workplace import one_line
from edge_llasm.audio import load_audio
from edge_llasm.bundle import Bundle
from edge_llasm.errors import EdgeLlasmError
from edge_llasm.manifest import MANIFEST
from edge_llasm.parity import Parity

CLIPS = Path(__file__).parent.parent / "models" / "nano" / "demo"
"""Recordings for those who have none"""
SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
EXAMPLE = """\
example:
  python -m convert.parity out/nano --reference checkpoints/nano --whisper checkpoints/nano-whisper

Compared are, on the same recordings: the log-mel spectrogram (edge_llasm.speech.mel against transformers), the
speech tower's states by each engine that the bundle has, the adapter's output, the first logits, greedy tokens fed
with PyTorch's, and perplexity. Of a model that was trained on the full window also what a trimmed one changes.
"""


def report(
    bundle_folder: Path, checkpoint: Path, whisper: Path, clips: Path = CLIPS, n_tokens: int = N_TOKENS
) -> Parity:
    """Measure, and note it in bundle.toml. Raises ConvertError, BundleError, AudioError, EngineError."""
    from convert.reference import Reference

    bundle = Bundle.load(bundle_folder)
    recordings = load_clips(clips)
    try:
        expected = expect(Reference(checkpoint, whisper), bundle, recordings, n_tokens)
    except ImportError as error:
        raise ConvertError(f"the original needs {error.name}: install edge-llasm[convert]") from error
    engines = Engines(bundle)
    try:
        parity = compare(engines, expected)
    finally:
        engines.close()
    if not bundle.speech.trim_window:
        parity = replace(parity, trimmed=trimmed_windows(bundle, recordings, n_tokens))
    record(bundle_folder, parity)
    return parity


def load_clips(folder: Path) -> list[NDArray[np.float32]]:
    """The recordings in a folder, (n,) f32 16 kHz each, by name. Raises ConvertError, AudioError."""
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise ConvertError(f"{folder} has no recordings ({', '.join(SUFFIXES)}): name another with --clips")
    return [load_audio(path) for path in files]


def record(bundle_folder: Path, parity: Parity) -> None:
    """Write the table at the end of bundle.toml, in the place of an earlier one. Raises ConvertError."""
    path = bundle_folder / MANIFEST
    values = {**asdict(parity), "faults": list(parity.faults)}
    values["trimmed"] = {f"clip{i}": clip for i, clip in enumerate(values["trimmed"], start=1)}
    tables = list(_tables("parity", values))
    with one_line(f"cannot write {path}", "check its permissions"):
        before, _, _ = path.read_text(encoding="utf-8").partition("\n[parity]\n")
        draft = path.with_name(f".{MANIFEST}.draft")
        draft.write_text("\n".join([before.rstrip("\n") + "\n", *tables]), encoding="utf-8")
        draft.replace(path)


def _tables(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    """A mapping of numbers, texts and more such mappings as TOML; what is None or empty is left out."""
    yield table(name, {key: value for key, value in values.items() if not isinstance(value, dict | None)})
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _tables(f"{name}.{key}", value)


def find_whisper(checkpoint: Path) -> Path:
    """The folder of the checkpoint's `mm_audio_tower`, where it lies beside it. Raises ConvertError."""
    tower = str(read_json(checkpoint / "config.json").get("mm_audio_tower", ""))
    for folder in (Path(tower), checkpoint.parent / Path(tower).name):
        if tower and folder.is_dir():
            return folder
    raise ConvertError(
        f"the Whisper of {checkpoint}, {tower or 'unnamed'}, is not beside it: add --whisper DIR"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; the exit status is 1 when a bound is missed."""
    options = parser().parse_args(arguments)
    try:
        whisper = options.whisper or find_whisper(options.reference)
        parity = report(options.bundle, options.reference, whisper, options.clips, options.tokens)
    except EdgeLlasmError as error:
        print(f"convert.parity: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("convert.parity: interrupted, nothing was noted", file=sys.stderr)
        return 130
    print("\n".join(parity.lines()))
    return int(bool(parity.faults))


def parser() -> argparse.ArgumentParser:
    """The options."""
    result = argparse.ArgumentParser(
        prog="python -m convert.parity",
        description="Compare a bundle with the PyTorch model that it was made from, on the same recordings.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("bundle", type=Path, metavar="BUNDLE", help="the folder with bundle.toml")
    add("--reference", type=Path, required=True, metavar="CHECKPOINT", help="LLaSM's folder")
    add(
        "--whisper",
        type=Path,
        metavar="DIR",
        help="its Whisper (default: the folder beside it that it names)",
    )
    add("--clips", type=Path, default=CLIPS, metavar="DIR", help="recordings (default: nano's demonstration)")
    add(
        "--tokens", type=_positive, default=N_TOKENS, metavar="N", help=f"greedy tokens (default: {N_TOKENS})"
    )
    return result


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
