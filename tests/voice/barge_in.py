"""python -m tests.voice.barge_in: an answer read on the virtual sound card, cut off again and again, in figures."""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from edge_llasm.sound import Loudspeaker
from edge_llasm.voice import Speaker, find_voices
from tests.sound.virtual import missing, room

ANSWER = (
    "Paris is the capital of France. It lies on the river Seine, and about two million people live there. "
    "Many more live around it. "
)
TIMES = 20
HEARD_S = 1.2


def main() -> int:
    if lacking := missing():
        sys.stdout.write(f"not measured: {lacking}\n")
        return 1
    first, silent, slack = [], [], []
    with tempfile.TemporaryDirectory() as folder, room(Path(folder)) as there:
        there.furnish()
        with there.tap() as tap:
            speaker = Speaker(find_voices(), Loudspeaker())
            for _ in range(TIMES):
                reading = speaker.begin()
                asked = time.monotonic()
                reading.feed(ANSWER)
                while tap.loud_at < asked:
                    tap.wait()
                first.append(tap.loud_at - asked)
                while time.monotonic() < asked + first[-1] + HEARD_S:
                    tap.wait()
                pressed = time.monotonic()
                speaker.stop()
                returned = time.monotonic()
                while time.monotonic() < pressed + 1.0:
                    tap.wait()
                silent.append(max(0.0, tap.loud_at - pressed))
                slack.append(returned - pressed)
                reading.wait()
    for what, seconds in (
        ("from the first clause to its first sound at the loudspeaker", first),
        ("from stop() to the last sound at the loudspeaker", silent),
        ("from stop() to its return", slack),
    ):
        ms = sorted(1000 * one for one in seconds)
        sys.stdout.write(f"{what}: median {median(ms):.0f} ms, at most {ms[-1]:.0f} ms of {TIMES}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
