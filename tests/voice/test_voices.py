"""Which voice says what, and the voices themselves."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_llasm import Assistant
from edge_llasm.errors import VoiceError
from edge_llasm.voice import Voices, find, find_voices, system
from edge_llasm.voice.piper import PiperVoice
from edge_llasm.voice.script import Language
from tests.voice.tone import RATE, Tone

Samples = NDArray[np.float32]
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no voice without espeak-ng")

SAY = """\
Albert              en_US    # Hello! My name is Albert.
Samantha            en_US    # Hello! My name is Samantha.
Eddy (Chinese (China mainland)) zh_CN    # 你好！我叫Eddy。
Ting-Ting           zh_CN    # 你好，我叫婷婷。
"""


class One(Tone):
    def __init__(self, *speaks: Language) -> None:
        super().__init__()
        self.speaks = frozenset(speaks)


@pytest.mark.parametrize(
    ("text", "english", "chinese"),
    [
        ("Hello.", ["Hello."], []),
        ("你好。", [], ["你好。"]),
        ("把 total 打印出来", ["total "], ["把 ", "打印出来"]),
        ("35 + 48 = 83", ["35 + 48 = 83"], []),
    ],
)
def test_voices_of_one_language_take_turns(text: str, english: list[str], chinese: list[str]) -> None:
    en, zh = One("en"), One("zh")
    Voices({"en": en, "zh": zh}).say(text, 16_000)
    assert (en.said, zh.said) == (english, chinese)


def test_a_chinese_voice_that_reads_english_says_a_chinese_sentence_whole() -> None:
    en, zh = One("en"), One("zh", "en")
    voices = Voices({"en": en, "zh": zh})
    voices.say("把 total 打印出来", 16_000)
    voices.say("83.", 16_000)  # no words: in the language before it
    voices.say("Li Bai (李白) was a great poet", 16_000)
    assert zh.said == ["把 total 打印出来", "83.", "李白) "]
    assert en.said == ["Li Bai (", "was a great poet"]


def test_what_no_voice_speaks_is_left_out() -> None:
    en = One("en")
    voices = Voices({"en": en})
    assert len(voices.say("你好。", 16_000)) == 0
    assert len(voices.say("打印 total", 48_000)) == pytest.approx(3 * 0.5 * RATE, rel=0.2)
    assert en.said == ["total"]


@needs_espeak
def test_espeak_speaks_both_languages_and_a_dash_is_no_option() -> None:
    voices = find_voices()
    for text in ("-v is an option", "你好，世界。", "把 total 打印出来"):
        said = voices.say(text, 16_000)
        assert 0.5 < len(said) / 16_000 < 10
        assert np.abs(said).max() > 0.05


@needs_espeak
@pytest.mark.parametrize(
    "text", ["what is the capital of france", "三十五加四十八等于多少", "把 total 打印出来"]
)
def test_what_the_voices_say_is_understood(text: str) -> None:
    with Assistant.load("nano", device="cpu") as nano:
        heard = "".join(chunk.text for chunk in nano.transcribe(find_voices().say(text, 16_000)))
    assert heard == text


@needs_espeak
def test_chinese_is_not_spelled_in_english_letters() -> None:
    """espeak-ng before 1.52 reads the pinyin in English letters, which takes a third longer."""
    (voice,) = [voice for language, voice in find_voices()._voices.items() if language == "zh"]
    samples, rate = voice.say("今天天气很好我们去公园")
    assert len(samples) / rate < 11 * 0.36


@needs_espeak
def test_an_old_espeak_says_what_it_reads_badly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "espeak_version", lambda: (1, 51))
    (remark,) = find_voices().remarks
    assert "espeak-ng 1.51" in remark
    assert "install espeak-ng 1.52" in remark
    monkeypatch.setattr(system, "espeak_version", lambda: (1, 52))
    assert find_voices().remarks == ()


@needs_espeak
def test_an_unknown_voice_is_refused() -> None:
    with pytest.raises(VoiceError, match="espeak-ng failed .*does not exist.*take another voice"):
        find_voices("nonesuch")


def test_a_machine_without_a_voice_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find.platform, "system", lambda: "Linux")
    monkeypatch.setattr(find.shutil, "which", lambda name: None)
    with pytest.raises(VoiceError, match="install espeak-ng"):
        find_voices()


@pytest.mark.parametrize("of", ["Darwin", "Windows"])
def test_the_listed_voices_of_other_systems(of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []

    def told(command: list[str], text: str = "") -> bytes:
        commands.append(command)
        return SAY.encode()

    monkeypatch.setattr(find.platform, "system", lambda: of)
    monkeypatch.setattr(system, "_run", told)
    voices = find_voices()
    assert voices.names == "en Samantha, zh Ting-Ting"
    assert voices.remarks == ()
    assert commands[0][0] == {"Darwin": "say", "Windows": "powershell"}[of]
    with pytest.raises(VoiceError, match='no voice is called "Bob"; for English there is Albert, Samantha'):
        find_voices("Bob")
    english = SAY.split("Eddy")[0].encode()
    monkeypatch.setattr(system, "_run", lambda command, text="": english)
    assert "Chinese is not read aloud" in find_voices().remarks[0]


def test_a_program_that_gives_no_sound_is_told() -> None:
    voice = system.SystemVoice("mute", frozenset({"en"}), ("cat",))
    with pytest.raises(VoiceError, match="the voice mute gave no sound"):
        voice.say("hello")


@needs_espeak
def test_a_program_may_write_its_sound_to_a_file() -> None:
    command = ("espeak-ng", "-v", "en-us", "--stdin", "-w", system.FILE)
    samples, rate = system.SystemVoice("file", frozenset({"en"}), command).say("hello")
    assert len(samples) > rate / 4


def write_piper_voice(file: Path, phoneme_type: str = "text") -> None:
    """A voice of piper's that holds one level for each letter, 256 samples long."""
    from onnx import TensorProto, helper, save

    nodes = [
        helper.make_node("Cast", ["input"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["f", "column"], ["c"]),
        helper.make_node("Tile", ["c", "often"], ["t"]),
        helper.make_node("Reshape", ["t", "row"], ["r"]),
        helper.make_node("Mul", ["r", "scale"], ["output"]),
    ]
    constants = [
        helper.make_tensor("column", TensorProto.INT64, [2], [-1, 1]),
        helper.make_tensor("often", TensorProto.INT64, [2], [1, 256]),
        helper.make_tensor("row", TensorProto.INT64, [4], [1, 1, 1, -1]),
        helper.make_tensor("scale", TensorProto.FLOAT, [1], [0.01]),
    ]
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, [1, None]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ]
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, 1, None])
    graph = helper.make_graph(nodes, "voice", inputs, [output], constants)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    letters = "_^$ abcdefghijklmnopqrstuvwxyz."
    config = {
        "num_symbols": len(letters), "num_speakers": 1, "audio": {"sample_rate": 16_000},
        "espeak": {"voice": "en-us"}, "phoneme_type": phoneme_type,
        "phoneme_id_map": {letter: [number] for number, letter in enumerate(letters)},
    }  # fmt: skip
    file.with_name(f"{file.name}.json").write_text(json.dumps(config))


@pytest.mark.skipif(find_spec("piper") is None, reason="piper-tts is not installed")
def test_a_voice_file_of_pipers_is_read_by_it(tmp_path: Path) -> None:
    file = tmp_path / "tiny.onnx"
    write_piper_voice(file)
    voices = Voices({"en": PiperVoice(file, "en")})
    assert voices.names == "en piper tiny"
    said = voices.say("hello", 16_000)
    assert len(said) % 256 == 0
    assert len(said) >= 5 * 256
    (tmp_path / "tiny.onnx").write_bytes(b"no model")
    with pytest.raises(VoiceError, match="is no voice of piper"):
        find_voices(str(file))


@pytest.mark.skipif(find_spec("piper") is None, reason="piper-tts is not installed")
def test_a_voice_that_would_use_the_network_is_refused(tmp_path: Path) -> None:
    write_piper_voice(tmp_path / "zh.onnx", "pinyin")
    with pytest.raises(VoiceError, match="from the network"):
        PiperVoice(tmp_path / "zh.onnx", "zh")


@pytest.mark.skipif(find_spec("piper") is None, reason="piper-tts is not installed")
def test_half_a_voice_is_told(tmp_path: Path) -> None:
    with pytest.raises(VoiceError, match=r"none\.onnx is not there: a piper voice is NAME\.onnx with"):
        PiperVoice(tmp_path / "none.onnx", "en")


IMPORTS = """
import sys
from edge_llasm.errors import VoiceError
from edge_llasm.voice import find_voices
try:
    find_voices()
except VoiceError:
    pass
assert "piper" not in sys.modules
"""


def test_piper_is_imported_only_for_a_file_of_its_own() -> None:
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
