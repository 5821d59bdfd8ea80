"""libespeak-ng 1.52 by ctypes: speech and, from its phoneme events, what is being said at each moment.

Debian 12's own espeak-ng (1.51) reads ``cmn`` as English letters; the ``espeakng-loader`` package carries 1.52. It is a GPL
library and only ever used to make training speech. It crashes on rare sentences, so ``Espeak`` runs it in a process of its own
and starts another one when that dies.
"""

import ctypes
import multiprocessing
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

SYNCHRONOUS, PHONEME_EVENTS = 2, 1  # espeak_AUDIO_OUTPUT, espeakINITIALIZE_PHONEME_EVENTS (speak_lib.h)
RATE, PITCH, RANGE = 1, 3, 4  # espeak_PARAMETER
UTF8 = 1
EVENT_END, EVENT_PHONEME = 0, 7  # espeak_EVENT_TYPE

Said = tuple[
    NDArray[np.int16], int, list[tuple[float, str]]
]  # samples, sample rate in Hz, (start in s, phoneme)


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int), ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int), ("sample", ctypes.c_int), ("user_data", ctypes.c_void_p), ("name", ctypes.c_char * 8),
    )  # fmt: skip


def _serve(requests: Connection) -> None:
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data = espeakng_loader.get_data_path()
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, str(data).encode(), PHONEME_EVENTS)
    sound: list[bytes] = []
    phonemes: list[tuple[float, str]] = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
    def collect(wave: Any, count: int, events: Any) -> int:
        if wave and count > 0:
            sound.append(ctypes.string_at(wave, count * 2))
        for i in range(10_000):
            if events[i].type == EVENT_END:
                break
            if events[i].type == EVENT_PHONEME:
                phonemes.append(
                    (events[i].audio_position / 1000.0, events[i].name.decode("utf-8", "replace"))
                )
        return 0

    library.espeak_SetSynthCallback(collect)
    while True:
        try:
            text, voice, words_per_minute, pitch, pitch_range = requests.recv()
        except EOFError:
            return
        sound.clear()
        phonemes.clear()
        library.espeak_SetVoiceByName(voice.encode())
        for parameter, value in ((RATE, words_per_minute), (PITCH, pitch), (RANGE, pitch_range)):
            library.espeak_SetParameter(parameter, value, 0)
        encoded = text.encode()
        library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, UTF8, None, None)
        requests.send((np.frombuffer(b"".join(sound), np.int16), rate, list(phonemes)))


class Espeak:
    """A synthesizer process that is restarted when a sentence kills it."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._requests, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def say(self, text: str, voice: str, words_per_minute: int, pitch: int, pitch_range: int) -> Said | None:
        """The sentence as sound, or ``None`` when the library died of it (about one in 2,500 mixed sentences)."""
        try:
            self._requests.send((text, voice, words_per_minute, pitch, pitch_range))
            said: Said = self._requests.recv()
            return said
        except (EOFError, ConnectionError):
            self._process.join()
            self._start()
            return None

    def close(self) -> None:
        self._requests.close()
        self._process.join(timeout=5)
