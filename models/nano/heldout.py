"""Makes the committed held-out set: sentences and voices that training never meets, as recordings with their texts and answers.

    python -m models.nano.heldout models/nano/heldout --demo models/nano/demo

Evaluation needs no synthesizer: it reads ``heldout.jsonl`` and the recordings beside it. One line is one conversation:
``{"group", "kind", "language", "turns": [{"audio", "voice", "said", "answer"}, …]}``.
"""

import argparse
import json
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import soundfile

from edge_llasm.speech.mel import SAMPLE_RATE
from models.nano import corpus, distort
from models.nano.voices import FESTIVAL_HELD_OUT, Speakers, Voice, held_out_voice
from models.nano.world.spoken import Exchange

GROUPS = {"en": 80, "zh": 80, "mixed": 60, "second turn": 25, "other synthesizer": 30}  # conversations
SEED = 2026
DEMO = {  # recordings that the README and `make demo` play: undistorted, by voices that training never hears
    "1-define-a-function.ogg": ("define a function called parse date", Voice("espeak", "shelby", rate=0.9)),
    "2-print-total.ogg": ("把 total 打印出来", Voice("espeak", "shelby", rate=0.9)),
    "3-a-sum.ogg": ("三十五加四十八等于多少", Voice("espeak", "steph3", rate=0.9)),
    "4-li-bai-in-english.ogg": ("comment on 李白 in english", Voice("espeak", "f5", rate=0.9)),
}


def group_of(exchange: Exchange, counts: Counter[str]) -> str:
    if len(exchange.turns) == 2:
        return "second turn"
    if exchange.language == "en" and counts["en"] >= GROUPS["en"]:
        return "other synthesizer"
    return exchange.language


def voice_for(group: str, rng: Random) -> Voice:
    if group == "other synthesizer":
        return Voice("festival", rng.choice(FESTIVAL_HELD_OUT), rate=rng.uniform(0.85, 1.2))
    return held_out_voice(rng)


def build(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng, speakers, counts, clips = Random(SEED), Speakers(), Counter[str](), 0
    seen: set[str] = set()
    lines = []
    for exchange in corpus.conversations(SEED, test=True):
        if counts == GROUPS:
            break
        group = group_of(exchange, counts)
        key = " / ".join(said for said, _ in exchange.turns)
        if counts[group] >= GROUPS[group] or key in seen:
            continue
        voice = voice_for(group, rng)
        turns: list[dict[str, str]] = []
        for said, answer in exchange.turns:
            speech = speakers.say(said, voice)
            if speech is None:
                break
            samples, _, _ = distort.distort(speech.samples, distort.HELD_OUT, rng)
            name = f"{clips + len(turns):03d}.ogg"
            soundfile.write(folder / name, samples, SAMPLE_RATE, format="OGG", subtype="OPUS")
            turns.append(
                {"audio": name, "voice": f"{voice.engine} {voice.name}", "said": said, "answer": answer}
            )
        else:
            seen.add(key)
            counts[group] += 1
            clips += len(turns)
            lines.append(
                json.dumps(
                    {"group": group, "kind": exchange.kind, "language": exchange.language, "turns": turns},
                    ensure_ascii=False,
                )
            )
    speakers.close()
    (folder / "heldout.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def build_demo(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    speakers = Speakers()
    for name, (said, voice) in DEMO.items():
        speech = speakers.say(said, voice)
        if speech is None:
            raise RuntimeError(f"{voice.engine} did not say {said!r}")
        samples = np.pad(speech.samples, int(0.25 * SAMPLE_RATE))
        soundfile.write(folder / name, samples, SAMPLE_RATE, format="OGG", subtype="OPUS")
    speakers.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--demo", type=Path, help="also make the demonstration's recordings, there")
    options = parser.parse_args()
    build(options.folder)
    if options.demo:
        build_demo(options.demo)


if __name__ == "__main__":
    main()
