import io
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from edge_llasm.cli import run
from tests.tiny import PARITY, write_parity

FIELDS = [
    "text",
    "finish_reason",
    "model",
    "speech_engine",
    "device",
    "audio_seconds",
    "timings",
    "prompt_tokens",
    "cached_tokens",
    "generated_tokens",
    "tokens_per_second",
]
TIMINGS = ["load_ms", "speech_ms", "adapter_ms", "prefill_ms", "first_token_ms", "total_ms"]

TINY = ["--model", "tiny", "--device", "cpu"]

Captured = pytest.CaptureFixture[str]


class Endless(io.RawIOBase):
    """A pipe that nobody closes."""

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        return len(room)

    @property
    def name(self) -> str:
        return "<stdin>"


def shown(capsys: Captured, *arguments: str | Path, status: int = 0) -> str:
    """Standard output of a command that tells nothing else and has this exit status."""
    assert run([*map(str, arguments), *TINY]) == status
    out, err = capsys.readouterr()
    assert err in ("", "edge-llasm: the answer was cut off; --max-tokens allows longer ones\n")
    return out


def complaint(capsys: Captured, *arguments: str | Path, status: int) -> str:
    """The one line that a command fails with."""
    assert run([*map(str, arguments), *TINY]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("edge-llasm: ")
    assert err.count("\n") == 1
    return err


def test_a_recording_is_answered_on_standard_output(capsys: Captured, speech: Path) -> None:
    answer = shown(capsys, "ask", speech)
    assert answer.strip()
    assert answer.endswith("\n")


def test_a_typed_question_is_answered(capsys: Captured) -> None:
    assert shown(capsys, "ask", "--text", "hello").strip()


def test_several_recordings_and_a_text_are_one_question(capsys: Captured, speech: Path) -> None:
    one = json.loads(shown(capsys, "ask", speech, "--json"))
    more = json.loads(shown(capsys, "ask", speech, speech, "--text", "hello", "--json"))
    assert more["audio_seconds"] == pytest.approx(2 * one["audio_seconds"], abs=0.01)
    assert more["prompt_tokens"] > one["prompt_tokens"]


def test_transcribe_and_ask_transcribe_are_the_same(capsys: Captured, speech: Path) -> None:
    answer = shown(capsys, "ask", speech)
    transcript = shown(capsys, "transcribe", speech)
    assert shown(capsys, "ask", "--transcribe", speech) == transcript != answer


def test_json_is_one_object_with_exactly_the_documented_fields(capsys: Captured, speech: Path) -> None:
    out = shown(capsys, "ask", speech, "--json")
    assert out.count("\n") == 1
    result = json.loads(out)
    assert list(result) == FIELDS
    assert list(result["timings"]) == TIMINGS
    assert (result["model"], result["speech_engine"], result["device"]) == ("tiny", "onnx", "cpu")
    assert result["finish_reason"] in ("stop", "length", "repetition")
    assert result["text"] in shown(capsys, "ask", speech)
    assert all(value >= 0 for value in result["timings"].values())


def test_stats_are_told_on_standard_error(capsys: Captured, speech: Path) -> None:
    answer = shown(capsys, "ask", speech)
    assert run(["ask", str(speech), "--stats", *TINY]) == 0
    out, err = capsys.readouterr()
    assert out == answer
    assert "speech: onnx on cpu" in err
    assert "prompt tokens" in err
    assert all(line.startswith("edge-llasm: ") for line in err.splitlines())


def test_the_same_seed_gives_the_same_answer(capsys: Captured) -> None:
    def ask(seed: int) -> str:
        return shown(capsys, "ask", "--text", "hello", "--temperature", "2", "--seed", str(seed))

    assert ask(1) == ask(1)
    assert len({ask(seed) for seed in range(4)}) > 1


def test_max_tokens_bounds_the_answer_and_says_so(capsys: Captured) -> None:
    assert run(["ask", "--text", "hello", "--max-tokens", "3", *TINY]) == 0
    assert "--max-tokens" in capsys.readouterr().err
    result = json.loads(shown(capsys, "ask", "--text", "hi", "--max-tokens", "3", "--json"))
    assert (result["generated_tokens"], result["finish_reason"]) == (3, "length")


def test_a_recording_can_come_from_standard_input(
    capsys: Captured, speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = shown(capsys, "ask", speech)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(speech.read_bytes())))
    assert shown(capsys, "ask", "-") == answer


def test_standard_input_that_is_a_keyboard_or_nothing_is_wrong_usage(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyboard = io.StringIO()
    monkeypatch.setattr(keyboard, "isatty", lambda: True)
    for stdin in (keyboard, None):
        monkeypatch.setattr(sys, "stdin", stdin)
        assert run(["ask", "-"]) == 2
        assert "pipe one in" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["ask"],
        ["ask", "--text", "  "],
        ["ask", "--transcribe", "--text", "hello", "a.wav"],
        ["ask", "-", "-"],
        ["ask", "a.wav", "--temperature", "-1"],
        ["ask", "a.wav", "--temperature", "nan"],
        ["ask", "a.wav", "--temperature", "warm"],
        ["ask", "a.wav", "--max-tokens", "0"],
        ["ask", "a.wav", "--seed", "-1"],
        ["ask", "a.wav", "--device", "abacus"],
        ["ask", "a.wav", "--nonsense"],
        ["transcribe"],
        ["sing"],
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str], capsys: Captured) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: edge-llasm")
    assert "Error: " in err
    assert "Traceback" not in err


def test_silence_is_status_3(capsys: Captured, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(16_000, np.float32), 16_000)
    complaint(capsys, "ask", tmp_path / "silence.wav", status=3)
    complaint(capsys, "transcribe", tmp_path / "silence.wav", "--json", status=3)


def test_a_missing_recording_is_status_1(capsys: Captured, tmp_path: Path) -> None:
    assert "gone.wav" in complaint(capsys, "ask", tmp_path / "gone.wav", status=1)


@pytest.mark.parametrize("content", [b"", b"just some text\n" * 100], ids=["empty", "text"])
def test_what_is_no_recording_is_status_1(capsys: Captured, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.wav").write_bytes(content)
    assert "odd.wav" in complaint(capsys, "ask", tmp_path / "odd.wav", status=1)


def test_a_folder_is_no_recording(capsys: Captured, tmp_path: Path) -> None:
    complaint(capsys, "ask", tmp_path, status=1)


def test_empty_standard_input_is_status_1(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    complaint(capsys, "ask", "-", status=1)


def test_standard_input_without_end_is_not_read_for_ever(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_llasm.audio.MAX_BYTES", 1 << 20)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Endless())))
    assert "the recording is larger" in complaint(capsys, "ask", "-", status=1)


def test_an_unknown_model_lists_the_known_ones(capsys: Captured) -> None:
    assert run(["ask", "--text", "hello", "--model", "giant"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "'giant'" in err
    assert "tiny" in err
    assert err.count("\n") == 1


def test_a_folder_without_a_model_is_status_1(capsys: Captured, tmp_path: Path) -> None:
    assert run(["ask", "--text", "hello", "--model", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("edge-llasm: ")


def test_a_terminal_is_told_which_device_was_taken(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, speech: Path
) -> None:
    monkeypatch.setattr("edge_llasm.cli.output.on_a_terminal", lambda: True)
    monkeypatch.setattr("edge_llasm.cli.answer.on_a_terminal", lambda: True)
    assert run(["ask", str(speech), *TINY]) == 0
    assert "edge-llasm: tiny, cpu\n" in capsys.readouterr().err


def test_a_device_that_no_build_supports_is_status_1(capsys: Captured) -> None:
    other = "cuda" if sys.platform == "darwin" else "metal"
    assert run(["ask", "--text", "hello", "--model", "tiny", "--device", other]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert other in err


def test_a_question_longer_than_the_context_is_status_1(capsys: Captured) -> None:
    complaint(capsys, "ask", "--text", "hello " * 3000, status=1)


def test_another_engine_hears_when_it_is_asked_to(capsys: Captured, speech: Path) -> None:
    for engine in ("whisper.cpp", "onnx"):
        answer = json.loads(shown(capsys, "ask", speech, "--speech", engine, "--json"))
        assert answer["speech_engine"] == engine


def test_an_engine_that_the_model_has_no_file_for_is_one_line(
    capsys: Captured, speech: Path, tiny_bundle: Path, home: Path
) -> None:
    folder = home / "models" / "older"
    shutil.copytree(tiny_bundle, folder)
    manifest = folder / "bundle.toml"
    text = manifest.read_text("utf-8")
    manifest.write_text(re.sub(r'\[files\."speech\.(onnx|weights)"\]\n(?:\w+ = .*\n)*', "", text), "utf-8")
    assert run(["ask", str(speech), "--speech", "onnx", "--device", "cpu", "--model", str(folder)]) == 1
    out, err = capsys.readouterr()
    assert (out, err) == (
        "", "edge-llasm: this model has no speech.onnx; choose whisper.cpp, or convert it again\n"
    )  # fmt: skip
    assert run(["ask", str(speech), "--device", "cpu", "--model", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["speech_engine"] == "whisper.cpp"


def test_attention_and_the_cache_are_the_users_choice(capsys: Captured) -> None:
    answers = {
        shown(capsys, "ask", "--text", "hello", "--flash-attention", how) for how in ("auto", "on", "off")
    }
    assert len(answers) == 1
    refused = ["--kv-type", "q8_0", "--flash-attention", "off"]
    assert "needs flash attention" in complaint(capsys, "ask", "--text", "hello", *refused, status=1)
    too_narrow = complaint(capsys, "ask", "--text", "hello", "--kv-type", "q8_0", status=1)
    assert "leave the KV cache in f16" in too_narrow


def test_the_window_is_trimmed_on_demand(
    capsys: Captured, speech: Path, tiny_bundle: Path, home: Path
) -> None:
    folder = home / "models" / "full"
    shutil.copytree(tiny_bundle, folder)
    manifest = folder / "bundle.toml"
    manifest.write_text(
        manifest.read_text("utf-8").replace("trim_window = true", "trim_window = false"), "utf-8"
    )
    command = ["ask", str(speech), "--device", "cpu", "--json", "--model"]
    answers = []
    for arguments in ([str(tiny_bundle)], [str(folder)], [str(folder), "--trim-window"]):
        assert run([*command, *arguments]) == 0
        answers.append(json.loads(capsys.readouterr().out)["text"])
    trained_so, full, trimmed = answers
    assert trimmed == trained_so != full


def test_native_logs_are_silent_unless_verbose(speech: Path) -> None:
    command = [sys.executable, "-m", "edge_llasm", "ask", str(speech), *TINY]
    silent = subprocess.run(command, capture_output=True, check=True)
    verbose = subprocess.run([*command, "--verbose"], capture_output=True, check=True)
    assert silent.stdout == verbose.stdout
    assert len(silent.stderr.splitlines()) <= 1
    assert b"llama" in verbose.stderr
    assert b"onnxruntime" in verbose.stderr


def test_chinese_is_printed_where_the_locale_has_no_chinese() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    chinese = ["--text", "你好", "--temperature", "3", "--seed", "1"]
    command = [sys.executable, "-m", "edge_llasm", "ask", *chinese, *TINY]
    plain = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert plain.stdout.isascii()
    as_json = subprocess.run([*command, "--json"], capture_output=True, env=environment, check=True)
    assert json.loads(as_json.stdout)["text"]


@pytest.mark.parametrize("faults", [("features differ by 0.5, allowed is 0.02",), ()])
def test_a_model_that_missed_a_bound_says_so_once(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], faults: tuple[str, ...]
) -> None:
    folder = tmp_path / "measured"
    shutil.copytree(home / "models" / "tiny", folder)
    write_parity(folder, replace(PARITY, faults=faults))
    question = ["ask", "--text", "hello", "--model", str(folder), "--device", "cpu", "--json"]
    assert run([*question, "--max-tokens", "2"]) == 0
    shown = capsys.readouterr()
    assert shown.err.count(
        f"differs from its original by more than it may: edge-llasm models {folder}"
    ) == len(faults)
    assert shown.err.count("\n") == len(faults)
    assert json.loads(shown.out)["model"] == "tiny"
