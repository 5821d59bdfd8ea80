"""A question that is spoken into a virtual sound card, and worked on while it is."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_llasm.assistant import Assistant
from edge_llasm.audio import load_audio
from edge_llasm.live import Listener
from edge_llasm.live.drafts import Drafts
from edge_llasm.live.listener import KEY_S, PAUSES_S
from edge_llasm.sound import Microphone
from tests.sound.virtual import Room

PATIENCE_S = 120
PAUSE = 32_000
"""Samples, 2 s: long enough for a draft on a busy machine"""


@pytest.fixture
def drafts(assistant: Assistant) -> Iterator[Drafts]:
    with Drafts(assistant) as drafts:
        yield drafts


@pytest.fixture
def noisy_room(virtual_room: Room, tmp_path: Path) -> Iterator[Room]:
    """No room is as silent as digital zero: a pause's end can be told only against what is always there."""
    hiss = 1e-3 * np.random.default_rng(0).standard_normal(20 * 16_000)
    soundfile.write(tmp_path / "hiss.wav", hiss, 16_000)
    with virtual_room.play(tmp_path / "hiss.wav") as playing:
        yield virtual_room
        playing.terminate()


def listen(
    listener: Listener, playing: subprocess.Popen[bytes], pause: float, drafted: Drafts | None = None
) -> np.ndarray:
    """Hold the key while something is played, and a while longer; at least until a draft is done, if one is wanted."""
    listener.start()
    with playing:
        while playing.poll() is None:
            listener.poll()
            time.sleep(0.05)
    end, patience = time.monotonic() + pause, time.monotonic() + PATIENCE_S
    while (now := time.monotonic()) < end or (drafted is not None and not drafted.done and now < patience):
        listener.poll()
        time.sleep(0.05)
    return listener.stop()


def text_of(assistant: Assistant, audio: np.ndarray) -> tuple[str, float]:
    """The answer, and the ms until the prompt was read."""
    *chunks, last = assistant.reply(audio)
    assert last.timings is not None
    return "".join(chunk.text for chunk in [*chunks, last]), last.timings.prefill_ms


def test_after_a_pause_the_answer_starts_from_the_draft_and_is_the_same(
    assistant: Assistant, drafts: Drafts, noisy_room: Room, speech: Path
) -> None:
    with Microphone() as microphone:
        listener = Listener(microphone, drafts)
        audio = listen(listener, noisy_room.play(speech), PAUSES_S[2] + 0.4, drafts)
        assert listener.heard_speech
        warm, prefill_ms = text_of(assistant, audio)
    assert prefill_ms == 0.0
    drafts.drop()
    assistant.reset()
    cold, prefill_ms = text_of(assistant, audio)
    assert prefill_ms > 0.0
    assert warm == cold


def test_speech_after_the_pause_makes_the_draft_worthless_and_changes_nothing(
    assistant: Assistant, drafts: Drafts, virtual_room: Room, speech: Path, tmp_path: Path
) -> None:
    said = load_audio(speech)
    twice = tmp_path / "twice.wav"
    soundfile.write(twice, np.concatenate([said, np.zeros(PAUSE, np.float32), said]), 16_000)
    with Microphone() as microphone:
        audio = listen(Listener(microphone, drafts), virtual_room.play(twice), 0.0)
        warm, _ = text_of(assistant, audio)
    assert drafts.done >= 1
    drafts.drop()
    assistant.reset()
    assert warm == text_of(assistant, audio)[0]


def test_silence_is_not_drafted(assistant: Assistant, drafts: Drafts, virtual_room: Room) -> None:
    with Microphone() as microphone:
        listener = Listener(microphone, drafts)
        listener.start()
        for _ in range(20):
            time.sleep(0.05)
            listener.poll()
        assert listener.seconds > 0.9
        assert listener.pause_s > 0.8
        assert not listener.heard_speech
        listener.stop()
    assert drafts.done == 0


def test_a_cancelled_recording_leaves_nothing(
    assistant: Assistant, drafts: Drafts, virtual_room: Room, speech: Path
) -> None:
    with Microphone() as microphone:
        listener = Listener(microphone, drafts)
        listener.start()
        with virtual_room.play(speech):
            time.sleep(0.5)
            listener.poll()
            listener.cancel()
        assert not listener.recording
        time.sleep(0.6)
        with virtual_room.tap("room") as tap:
            audio = listen(listener, virtual_room.play(speech), 0.0)
            said = tap.said(0.0)
    at = int(np.argmax(np.correlate(audio, said, "valid")))
    assert np.corrcoef(audio[at : at + len(said)], said)[0, 1] > 0.99


class Told:
    """A source that is told what is heard, and keeps what it was asked to spare."""

    def __init__(self, *heard: np.ndarray) -> None:
        self.heard, self.level, self.lost, self.spare_s = list(heard), 0.0, False, -1.0

    def begin(self, pre_roll_s: float) -> None:
        pass

    def read(self) -> np.ndarray:
        return self.heard.pop(0) if self.heard else np.zeros(0, np.float32)

    def end(self, spare_s: float) -> np.ndarray:
        self.spare_s = spare_s
        return np.concatenate([np.zeros(0, np.float32), *self.heard])

    def drop(self) -> None:
        pass


@pytest.mark.parametrize(("pause_s", "spare_s"), [(0.0, 0.0), (0.1, 0.0), (0.5, KEY_S)])
def test_only_in_a_pause_the_last_sound_under_way_is_not_waited_for(
    speech: Path, pause_s: float, spare_s: float
) -> None:
    said = load_audio(speech)
    said = said[: 1 + np.flatnonzero(np.abs(said) > 0.02)[-1]]
    rest = np.full(320, 1e-3, np.float32)
    source = Told(said, np.zeros(round(pause_s * 16_000), np.float32), rest)
    listener = Listener(source)
    listener.start()
    listener.poll()
    np.testing.assert_array_equal(listener.stop()[-len(rest) :], rest)  # what has come is kept all the same
    assert source.spare_s == spare_s
