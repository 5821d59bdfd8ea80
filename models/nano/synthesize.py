"""The spoken corpus: sentences -> voices -> distorted clips -> log-mel features with frame labels, in resumable shards.

python -m models.nano.synthesize WORK_DIR/speech --clips 30000
"""

import argparse
import json
import multiprocessing
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_llasm.speech.mel import HOP, MEL_PER_POSITION, SAMPLE_RATE, log_mel_power
from models.nano import corpus, distort
from models.nano.voices import (
    FESTIVAL_HELD_OUT,
    Speakers,
    Voice,
    held_out_voice,
    speakable_by,
    training_voice,
)
from models.nano.world.spoken import language_of, tokens

SHARD_CLIPS = 500
SEED, DEV_SEED = 1, 77  # of the conversations that are spoken, and of those that training is watched by
MAX_SECONDS = 10.0  # nano's window
POSITION_SECONDS = HOP * MEL_PER_POSITION / SAMPLE_RATE  # 0.02


@dataclass(frozen=True)
class Clip:
    """One training clip; the arrays are views of its shard."""

    text: str
    mel: NDArray[np.float16]  # (n_frames, 80) log10 mel power
    phonemes: list[tuple[float, str]]  # (start in s, label)
    voice: str


def sentences(count: int, seed: int) -> list[str]:
    """What is spoken in training: turns of conversations, and word salad so that rare words are heard too."""
    rng, words = Random(seed), corpus.vocabulary()
    seen: Counter[str] = Counter()
    stream = corpus.conversations(seed)
    chosen: list[str] = []
    while len(chosen) < count:
        if len(chosen) % 5 == 4:
            text = corpus.word_salad(rng, words, lambda word: float(seen[word]))
            if corpus.held_out(text):
                continue
            chosen.append(text)
        else:
            chosen.extend(said for said, _ in next(stream).turns)
        seen.update(tokens(chosen[-1]))
    rng.shuffle(chosen)
    return chosen[:count]


def speak(texts: list[str], folder: Path, index: int, *, dev: bool = False) -> None:
    """Write shard ``index``: ``NAME.npy`` (frames, 80) float16 and ``NAME.json``; ``dev`` takes voices never trained on."""
    rng, speakers = Random(f"shard {index}"), Speakers()
    mels: list[NDArray[np.float16]] = []
    rows: list[dict[str, Any]] = []
    for text in texts:
        voice = dev_voice(rng, text) if dev else training_voice(rng, text)
        speech = speakers.say(text, voice) if speakable_by(voice, text) else None
        if speech is None:
            continue
        samples, lead, speed = distort.distort(
            speech.samples, distort.HELD_OUT if dev else distort.TRAINING, rng
        )
        if len(samples) > MAX_SECONDS * SAMPLE_RATE:
            continue
        mels.append(log_mel_power(samples).T.astype(np.float16))
        phonemes = [(round(lead + start * speed, 3), label(name)) for start, name in speech.phonemes]
        rows.append(
            {
                "text": text,
                "frames": len(mels[-1]),
                "phonemes": phonemes,
                "voice": f"{voice.engine} {voice.name}",
            }
        )
    speakers.close()
    np.save(folder / f"shard{index:04d}.npy", np.concatenate(mels))
    temporary = folder / f"shard{index:04d}.tmp"
    temporary.write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    temporary.rename(folder / f"shard{index:04d}.json")  # the shard counts from here on


def dev_voice(rng: Random, text: str) -> Voice:
    """A held-out voice, for a fifth of the English sentences one of a synthesizer that training never hears."""
    if language_of(text) == "en" and rng.random() < 0.2:
        return Voice("festival", rng.choice(FESTIVAL_HELD_OUT), rate=rng.uniform(0.85, 1.2))
    return held_out_voice(rng)


def speak_dev(folder: Path, count: int = 300) -> None:
    """Held-out sentences by held-out voices, to watch training by; not the committed evaluation set."""
    stream = corpus.conversations(seed=DEV_SEED, test=True)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "shard0000.json").exists():
        speak([next(stream).turns[0][0] for _ in range(count)], folder, 0, dev=True)


def label(mnemonic: str) -> str:
    """An espeak-ng mnemonic without stress; language switches and pauses are silence."""
    name = mnemonic.lstrip("',%=")
    return "_" if not name or name[0] in "_(" else name


def load(folder: Path) -> list[Clip]:
    clips = []
    for description in sorted(folder.glob("shard*.json")):
        mel, at = np.load(description.with_suffix(".npy"), mmap_mode="r"), 0
        for row in json.loads(description.read_text("utf-8")):
            clips.append(
                Clip(
                    row["text"],
                    mel[at : at + row["frames"]],
                    [(t, p) for t, p in row["phonemes"]],
                    row["voice"],
                )
            )
            at += row["frames"]
    return clips


def speak_all(folder: Path, count: int, seed: int = SEED) -> None:
    """``count`` clips, a process for each shard: the synthesizers' own processes are its children."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = sentences(count, seed)
    context = multiprocessing.get_context("spawn")
    running: list[Any] = []
    for index in range(-(-count // SHARD_CLIPS)):
        if (folder / f"shard{index:04d}.json").exists():
            continue
        if len(running) >= (os.cpu_count() or 1):
            running.pop(0).join()
        shard = texts[index * SHARD_CLIPS : (index + 1) * SHARD_CLIPS]
        running.append(context.Process(target=speak, args=(shard, folder, index)))
        running[-1].start()
    for process in running:
        process.join()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=30_000)
    options = parser.parse_args()
    speak_all(options.folder, options.clips)


if __name__ == "__main__":
    main()
