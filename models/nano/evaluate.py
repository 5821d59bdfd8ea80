"""nano's table: the held-out recordings through the installed bundle and the command line.

    python -m models.nano.evaluate            # prints the table
    python -m models.nano.evaluate --details  # and every miss
    python -m models.nano.evaluate --one-process  # through Assistant alone: the same model and code, in a tenth of the time

Transcripts are asked of ``edge-llasm transcribe``, answers of ``edge-llasm ask``, a process for each, as a user would; second turns,
which need a chat, of ``Assistant``. Token error counts edits in English words and Chinese characters; an answer is right when it is
the expected one after folding white space and punctuation.
"""

import argparse
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge_llasm import Assistant, Chunk
from edge_llasm.errors import NoSpeech
from models.nano.scoring import distance
from models.nano.world.spoken import tokens

HELD_OUT = Path(__file__).with_name("heldout")
ROWS = {
    "en": "English",
    "zh": "Chinese",
    "mixed": "mixed",
    "second turn": "second turns",
    "other synthesizer": "other synthesizer",
}


@dataclass(frozen=True)
class Result:
    """One held-out conversation's last turn."""

    group: str
    said: str
    transcript: str
    expected: str
    answer: str

    @property
    def errors(self) -> int:
        return distance(tokens(self.transcript), tokens(self.said))

    @property
    def right(self) -> bool:
        return fold(self.answer) == fold(self.expected)


def fold(text: str) -> str:
    """Without white space and sentence punctuation; what distinguishes code and commands stays."""
    return re.sub(r"[\s.,!?。，！？、;；]", "", text).lower()


def command(*arguments: str) -> str:
    """What ``edge-llasm`` prints; nothing where it refuses, as it does when it hears no speech."""
    done = subprocess.run(
        [sys.executable, "-m", "edge_llasm", *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def single(row: dict[str, Any], model: str) -> Result:
    turn = row["turns"][0]
    audio = str(HELD_OUT / turn["audio"])
    transcript = command("transcribe", audio, "--model", model)
    return Result(
        row["group"], turn["said"], transcript, turn["answer"], command("ask", audio, "--model", model)
    )


def said_by(chunks: Iterable[Chunk]) -> str:
    """The whole text; nothing where no speech is heard."""
    try:
        return "".join(chunk.text for chunk in chunks).strip()
    except NoSpeech:
        return ""


def conversation(row: dict[str, Any], assistant: Assistant) -> Result:
    assistant.reset()
    last = row["turns"][-1]
    answers = [said_by(assistant.reply(audio=HELD_OUT / turn["audio"])) for turn in row["turns"]]
    transcript = said_by(assistant.transcribe(HELD_OUT / last["audio"]))
    return Result(row["group"], last["said"], transcript, last["answer"], answers[-1])


def held_out() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HELD_OUT / "heldout.jsonl").read_text("utf-8").splitlines()]


def evaluate(model: str, limit: int | None = None, *, one_process: bool = False) -> list[Result]:
    rows = held_out()[:limit]
    alone = [] if one_process else [row for row in rows if len(row["turns"]) == 1]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda row: single(row, model), alone))
    with Assistant.load(model) as assistant:
        return results + [conversation(row, assistant) for row in rows if row not in alone]


def table(results: list[Result]) -> str:
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        groups[result.group].append(result)
    lines = ["| held-out speech | conversations | token error | right answers |", "|---|---:|---:|---:|"]
    for group, title in ROWS.items():
        if group in groups:
            members = groups[group]
            error = (
                100
                * sum(result.errors for result in members)
                / sum(len(tokens(result.said)) for result in members)
            )
            right = 100 * sum(result.right for result in members) / len(members)
            lines.append(f"| {title} | {len(members)} | {error:.1f} % | {right:.1f} % |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="nano", help="a bundle's name or folder")
    parser.add_argument("--limit", type=int, help="only the first conversations")
    parser.add_argument(
        "--one-process", action="store_true", help="load the model once, without the command line"
    )
    parser.add_argument("--details", action="store_true", help="print every miss")
    options = parser.parse_args()
    results = evaluate(options.model, options.limit, one_process=options.one_process)
    if options.details:
        for result in (replace(result, answer=result.answer.replace("\n", "⏎")) for result in results):
            if result.errors or fold(result.answer).replace("⏎", "") != fold(result.expected):
                print(
                    f"{result.group}: {result.said!r} heard {result.transcript!r} answered {result.answer!r}"
                )
    print(table(results))


if __name__ == "__main__":
    main()
