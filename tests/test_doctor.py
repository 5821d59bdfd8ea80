import tomllib
from pathlib import Path

import pytest

from edge_llasm import doctor
from edge_llasm.bundle import Bundle
from edge_llasm.cli import run
from edge_llasm.llama_setup import Setup
from edge_llasm.probe import PACKAGES
from edge_llasm.probe import run as probe
from edge_llasm.tuned import Tuned, forget_tuned, keep_tuned

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def test_the_packages_that_doctor_asks_for_are_those_that_the_project_declares() -> None:
    declared = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    assert sorted(doctor.REQUIRED) == sorted(declared)


def test_a_machine_on_which_the_tests_run_can_answer(tiny_bundle: Path) -> None:
    findings = {finding.subject: finding for finding in doctor.examine(str(tiny_bundle))}
    assert all(finding.ok for finding in findings.values() if finding.needed)
    assert findings["llama-cpp-python"].detail.startswith("0.3.")
    assert "cpu" in findings["whisper.cpp devices"].detail
    assert "cpu" in findings["onnxruntime devices"].detail
    assert "cpu" in findings["llama.cpp devices"].detail
    assert "tiny answers" in findings["a question"].detail
    assert findings["tuned"].fix == f"edge-llasm tune --model {tiny_bundle}"


def test_a_tuned_model_is_told(tiny_bundle: Path) -> None:
    bundle = Bundle.load(tiny_bundle)
    keep_tuned(bundle, "cpu", Tuned(Setup(1, 1, 64)))
    found = {finding.subject: finding for finding in doctor.examine(str(tiny_bundle))}["tuned"]
    forget_tuned(bundle.name)
    assert (found.ok, found.fix) == (True, "")
    assert found.detail == "cpu: 1 thread for a token, 1 thread for a prompt in batches of 64"


def test_what_is_missing_comes_with_the_line_that_installs_it() -> None:
    for finding in doctor.examine("nonesuch"):
        assert finding.ok or finding.fix


def test_doctor_prints_one_verdict_and_its_exit_status_agrees(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["doctor", "--model", str(tiny_bundle)]) == 0
    assert capsys.readouterr().out.endswith("A question can be answered.\n")
    assert run(["doctor", "--model", "nonesuch"]) == 1
    assert "No question can be answered yet" in capsys.readouterr().out


def test_an_altered_model_is_found(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "altered"
    folder.mkdir()
    for file in tiny_bundle.iterdir():
        data = bytearray(file.read_bytes())
        if file.name == "speech.bin":
            data[-1] ^= 1
        (folder / file.name).write_bytes(data)
    (bad,) = [finding for finding in doctor.examine(str(folder)) if finding.needed and not finding.ok]
    assert "speech.bin was altered" in bad.detail
    assert bad.fix


def test_a_probe_that_dies_is_reported_and_the_next_ones_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Native code that ends its process: os.abort stands at the place of a library's import."""
    monkeypatch.setattr(doctor, "PROBE", ("-c", DYING_PROBE))
    found = list(doctor._probe(["package:numpy", "package:soxr", "package:click"]))
    assert [(name, ok) for name, ok, _ in found] == [("numpy", True), ("soxr", False), ("click", True)]
    assert "ended the process" in found[1][2]


DYING_PROBE = """
import os, sys
from edge_llasm import probe
whole = probe.package
probe.package = lambda name: os.abort() if name == "soxr" else whole(name)
probe.main()
"""


def test_an_absent_package_is_named() -> None:
    assert probe("package:nonesuch") == (False, "not installed")


def test_every_required_package_has_a_probe() -> None:
    assert {requirement.rstrip("0123456789.<>=,") for requirement in doctor.REQUIRED} <= set(PACKAGES)


@pytest.mark.parametrize(
    ("release", "line"),
    [
        ({"ID": "debian"}, "sudo apt-get install libportaudio2"),
        ({"ID": "ubuntu", "ID_LIKE": "debian"}, "sudo apt-get install libportaudio2"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "sudo apt-get install libportaudio2"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "sudo dnf install portaudio"),
        ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, "sudo zypper install libportaudio2"),
        ({"ID": "manjaro", "ID_LIKE": "arch"}, "sudo pacman -S portaudio"),
    ],
)
def test_portaudio_is_installed_by_the_distributions_own_tool(release: dict[str, str], line: str) -> None:
    assert doctor.portaudio_line("Linux", release) == line


def test_a_voice_is_installed_by_the_same_tool() -> None:
    assert doctor.espeak_line("Linux", {"ID": "ubuntu"}) == "sudo apt-get install espeak-ng"
    assert doctor.espeak_line("Linux", {"ID": "arch"}) == "sudo pacman -S espeak-ng"
    assert "settings" in doctor.espeak_line("Darwin", {})


def test_portaudio_comes_with_the_wheel_elsewhere() -> None:
    assert doctor.portaudio_line("Darwin", {}).startswith("pip install")
