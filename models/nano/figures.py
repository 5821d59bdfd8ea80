"""The figures of nano's card: what its world holds, how large its parts are, and what it was trained on.

python -m models.nano.figures             # its world and its parts
python -m models.nano.figures WORK_DIR    # and the clips of a training
"""

import argparse
import math
from pathlib import Path

from convert.checkpoint import Checkpoint
from models.nano import corpus, synthesize, voices
from models.nano.world import knowledge
from models.nano.world.spoken import language_of

CHECKPOINT = Path(__file__).with_name("checkpoint")
ADAPTER = "mm_projector"
FRAMES_PER_HOUR = 100 * 3600


def world() -> dict[str, int]:
    words = corpus.vocabulary()
    english = sum(language_of(word) == "en" for word in words)
    tables = {f"{name}s": len(knowledge.table(name)) for name in ("fact", "capital", "recipe", "word")}
    spoken = {
        "English words that are said": english,
        "Chinese characters that are said": len(words) - english,
    }
    return tables | spoken


def heard() -> dict[str, int]:
    return {
        "espeak-ng variants in training": len(set(voices.ESPEAK_VARIANTS)),
        "espeak-ng variants held out": len(set(voices.ESPEAK_HELD_OUT)),
        "espeak-ng accents of English": len(set(voices.ESPEAK_ENGLISH)),
        "flite voices": len(voices.FLITE),
    }


def parameters() -> dict[str, int]:
    """Of the published checkpoint, part by part."""
    counts = dict.fromkeys(("Whisper", "adapter", "LLaMA"), 0)
    for part, folder in (("Whisper", "whisper"), ("LLaMA", "llasm")):
        for name, tensor in Checkpoint(CHECKPOINT / folder).items():
            counts["adapter" if ADAPTER in name else part] += math.prod(tensor.shape)
    return {f"{part} parameters": count for part, count in counts.items()}


def trained_on(folder: Path) -> dict[str, int | float]:
    clips = synthesize.load(folder / "speech")
    return {"clips": len(clips), "hours": round(sum(len(clip.mel) for clip in clips) / FRAMES_PER_HOUR, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", help="of a training, for its clips")
    options = parser.parse_args()
    figures: dict[str, int | float] = {**world(), **heard(), **parameters()}
    for name, value in (figures | (trained_on(options.folder) if options.folder else {})).items():
        print(f"{value:>10,}  {name}")


if __name__ == "__main__":
    main()
