"""The package itself: its public names, and what importing it costs."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import edge_llasm

ENGINES = ("onnxruntime", "llama_cpp", "pywhispercpp", "_pywhispercpp", "torch", "sounddevice", "av")


def loaded_after(statement: str, names: tuple[str, ...]) -> list[str]:
    code = f"import sys; {statement}; print(*(name for name in {names!r} if name in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return run.stdout.split()


def test_importing_the_package_loads_no_heavy_library() -> None:
    assert loaded_after("import edge_llasm", (*ENGINES, "numpy", "soundfile", "soxr", "click")) == []


def test_importing_the_assistant_loads_no_native_engine() -> None:
    assert loaded_after("from edge_llasm import Assistant", ENGINES) == []


@pytest.mark.parametrize("name", edge_llasm.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(edge_llasm, name) is not None
    assert name in dir(edge_llasm)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        edge_llasm.nonsense  # noqa: B018


def test_the_version_is_the_one_in_pyproject() -> None:
    pyproject = Path(__file__).parent.parent / "pyproject.toml"
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    assert project["version"] == edge_llasm.__version__


def test_version_is_printed_by_the_command_line() -> None:
    shown = subprocess.run([sys.executable, "-m", "edge_llasm", "--version"], capture_output=True, text=True)
    assert (shown.returncode, shown.stdout) == (0, f"edge-llasm {edge_llasm.__version__}\n")
