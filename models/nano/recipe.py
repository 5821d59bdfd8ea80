"""How nano is made, from nothing to the table in its card: LLaSM's recipe (arXiv 2308.15930) at a laptop's size.

    python -m models.nano.recipe WORK_DIR            # some 6 hours on two cores; interrupt and repeat at will
    python -m models.nano.recipe WORK_DIR --smoke    # minutes: every step for real, on so little that nothing is learnt
    python -m models.nano.recipe WORK_DIR --from models/nano/checkpoint    # train the published weights further

Needs the ``train`` requirements and Debian's ``flite``; ``festival`` only for the held-out set, which is in the repository.
"""

import argparse
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from convert.__main__ import main as convert
from models.nano import checkpoint, evaluate, parallel, sharpen, states, synthesize, train_llm, train_speech

TYPES = ("--quantize", "f16", "--speech-type", "q8_0", "--speech-onnx", "f16")
BUNDLE_FILES = ("bundle.toml", "speech.bin", "speech.onnx", "speech.weights", "adapter.onnx", "llm.gguf")


@dataclass(frozen=True)
class Scale:
    """The one dial."""

    clips: int  # training clips
    dev_clips: int  # held-out clips to watch the training by
    speech: float  # minutes of speech pre-training
    sharpen: float  # minutes of its end
    text: float  # minutes of text pre-training
    stage1: float  # minutes
    stage2: float  # minutes
    held_out: int | None  # conversations of the evaluation, None: all
    shape: tuple[int, int, int, int] = (192, 4, 4, 2)  # Whisper's width, heads, encoder and decoder layers


FULL = Scale(clips=30_000, dev_clips=300, speech=90, sharpen=90, text=90, stage1=2, stage2=85, held_out=None)
SMOKE = Scale(clips=120, dev_clips=12, speech=0.3, sharpen=0.1, text=0.3, stage1=0.1, stage2=0.2, held_out=2)


def make(folder: Path, scale: Scale) -> Path:
    """Runs what has not been run yet; returns the folder of the finished bundle."""
    # 1. Data: sentences of nano's world, spoken by many voices in many rooms.
    synthesize.speak_all(folder / "speech", scale.clips)
    synthesize.speak_dev(folder / "dev", scale.dev_clips)
    # 2. Speech pre-training: Whisper learns to hear, then to say the same of a word each time.
    parallel.run(train_speech.train, folder, scale.speech, scale.shape)
    parallel.run(sharpen.train, folder, scale.sharpen)
    # 3. Whisper is frozen from here on: its states are computed once.
    if not states.computed(folder):
        parallel.run(states.compute, folder)
    # 4. Text pre-training: LLaMA learns what to answer, its words embedded where Whisper's states of them lie.
    parallel.run(train_llm.train, folder, "text", scale.text)
    # 5. Stage 1: the adapter alone learns from transcription.
    parallel.run(train_llm.train, folder, "stage1", scale.stage1)
    # 6. Stage 2: adapter and LLM learn from spoken instructions.
    parallel.run(train_llm.train, folder, "stage2", scale.stage2)
    checkpoint.save_speech(states.finished(folder), folder / "checkpoint")
    # 7. Convert the checkpoint to what the runtime reads.
    bundle = folder / "nano"
    if bundle.exists():
        shutil.rmtree(bundle)
    whisper, llasm = folder / "checkpoint" / "whisper", folder / "checkpoint" / "llasm"
    if status := convert([str(llasm), "--whisper", str(whisper), str(bundle), *TYPES]):
        sys.exit(status)
    return bundle


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where data, checkpoints and logs go")
    parser.add_argument("--smoke", action="store_true", help="a size that runs in minutes")
    parser.add_argument(
        "--from", dest="start", type=Path, metavar="CHECKPOINT", help="begin with the weights of a checkpoint"
    )
    parser.add_argument(
        "--install", type=Path, metavar="DIR", help="then copy the bundle there, e.g. models/nano"
    )
    options = parser.parse_args()
    if not options.smoke and not shutil.which("flite"):
        parser.error("flite is missing, half of the English voices: apt install flite")
    scale = SMOKE if options.smoke else FULL
    if options.start and not (options.folder / "speech.pt").exists():
        checkpoint.begin_from(options.start, options.folder)
    bundle = make(options.folder, scale)
    # 8. Evaluate the shipped files, through the command line.
    sys.stdout.write(evaluate.table(evaluate.evaluate(str(bundle), scale.held_out)) + "\n")
    if options.install:
        for name in BUNDLE_FILES:
            shutil.copy2(bundle / name, options.install / name)
        shutil.copytree(options.folder / "checkpoint", options.install / "checkpoint", dirs_exist_ok=True)


if __name__ == "__main__":
    main()
