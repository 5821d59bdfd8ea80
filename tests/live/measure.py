"""What talking feels like, on a virtual sound card with nano:

    python -m tests.live.measure [--presses 50] [--questions 10] [--turns 200] [--pause 0.3]

Words lost at the start of a recording; the delay from the key's release to the first text, with and without the work in
pauses; how the memory grows over many turns.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from edge_llasm.assistant import Assistant
from edge_llasm.live import Listener
from edge_llasm.live.drafts import Drafts
from edge_llasm.live.events import Ended, Failed
from edge_llasm.live.session import Session
from edge_llasm.sound import Microphone
from tests.sound.virtual import Room, Tap, missing, room

DEMO = Path(__file__).parents[2] / "models" / "nano" / "demo"
ALIKE = 0.95
"""Correlation with what sounded in the room, where a busy sound server leaves gaps; a lost beginning leaves far less"""
BEGINNING = 8_000
"""Samples, 0.5 s: the first word"""
SETTLED = 20
"""Turns after which the memory is looked at first"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presses", type=int, default=50)
    parser.add_argument("--questions", type=int, default=10)
    parser.add_argument("--turns", type=int, default=200)
    parser.add_argument(
        "--pause", type=float, default=0.3, help="s between the end of what is played and the key's release"
    )
    options = parser.parse_args()
    if lacking := missing():
        sys.exit(lacking)
    clips = sorted(DEMO.glob("*.ogg"))
    with tempfile.TemporaryDirectory() as folder, room(Path(folder)) as there, Microphone() as microphone:
        with there.tap("room") as tap:
            lost = lost_beginnings(there, tap, microphone, clips, options.presses)
        say(f"beginnings lost   {lost} of {options.presses}, {microphone.overruns} gaps in the sound")
        with Assistant.load("nano", device="cpu") as assistant:
            cold, warm = felt_delays(assistant, there, microphone, clips, options.questions, options.pause)
            say(f"felt delay        {summary(cold)} without the work in pauses")
            say(f"                  {summary(warm)} with it, {options.pause:g} s of pause before the release")
            say(f"                  {statistics.median(warm) / statistics.median(cold):.2f} of it")
            first, last = memory(assistant, clips, options.turns)
            say(f"resident memory   {first / 1e6:.1f} MB after {SETTLED} turns")
            say(f"                  {last / 1e6:.1f} MB after {options.turns}, {last / first - 1:+.1%}")


def lost_beginnings(there: Room, tap: Tap, microphone: Microphone, clips: list[Path], presses: int) -> int:
    """The key goes down as soon as anything is heard: at a moment when somebody already speaks."""
    lost, rng = 0, Random(0)
    for i in range(presses):
        began = tap.seconds
        playing = there.play(clips[i % len(clips)])
        while microphone.level < 1e-3:
            time.sleep(0.002)
        time.sleep(rng.uniform(0.0, 0.2))
        microphone.begin()
        playing.wait()
        time.sleep(0.2)
        recorded = microphone.end()
        lost += likeness(recorded, tap.said(began)[:BEGINNING]) < ALIKE
        time.sleep(0.5)
    return lost


def felt_delays(
    assistant: Assistant,
    there: Room,
    microphone: Microphone,
    clips: list[Path],
    questions: int,
    pause_s: float,
) -> tuple[list[float], list[float]]:
    """ms from the release to the first text, without drafts and with them, in turn."""
    cold: list[float] = []
    warm: list[float] = []
    with Drafts(assistant) as drafts:
        for i in range(questions):
            for used, delays in ((None, cold), (drafts, warm)):
                assistant.reset()  # with all that was heard
                assistant.warm()
                listener = Listener(microphone, used)
                listener.start()
                with there.play(clips[i % len(clips)]) as playing:
                    while playing.poll() is None:
                        listener.poll()
                        time.sleep(0.02)
                end = time.monotonic() + pause_s
                while time.monotonic() < end:
                    listener.poll()
                    time.sleep(0.02)
                released = time.perf_counter()
                answer = assistant.reply(listener.stop())
                while not next(answer).text:
                    pass
                delays.append(1000 * (time.perf_counter() - released))
                answer.close()
    return cold, warm


def memory(assistant: Assistant, clips: list[Path], turns: int) -> tuple[int, int]:
    """Bytes resident after some turns and after all, in chats of five turns."""
    first = 0
    with Session(assistant, None, None) as session:
        for i in range(turns):
            if i % 5 == 0:
                session.new_chat()
            list(assistant.reply(clips[i % len(clips)]))
            session.send("你好" if i % 2 else "hello")
            while not any(isinstance(event, Ended | Failed) for event in session.poll()):
                time.sleep(0.005)
            if i + 1 == min(SETTLED, turns):
                first = resident()
    return first, resident()


def resident() -> int:
    """Bytes."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def likeness(recorded: NDArray[np.float32], said: NDArray[np.float32]) -> float:
    """1 for a recording that holds a copy of what was said, 0 for one that is too short for it."""
    if len(recorded) < len(said):
        return 0.0
    at = int(np.argmax(np.correlate(recorded, said, "valid")))
    return float(np.corrcoef(recorded[at : at + len(said)], said)[0, 1])


def summary(delays: list[float]) -> str:
    return f"{statistics.median(delays):.0f} ms ({min(delays):.0f} to {max(delays):.0f})"


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
