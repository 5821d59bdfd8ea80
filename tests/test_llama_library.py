"""llama.cpp's API is loaded without what surrounds it, and nobody else notices."""

import importlib.util
import subprocess
import sys

import pytest

from edge_llasm import llama_library
from edge_llasm.errors import EngineError
from edge_llasm.llama_library import load_ggml, load_library

ALONE = """
import sys
from edge_llasm.devices import _ggml_devices
from edge_llasm.llama_library import load_ggml, load_library
lib = load_library()
print("llama_cpp" in sys.modules, "jinja2" in sys.modules, _ggml_devices(load_ggml())[-1])
import llama_cpp
print(llama_cpp.llama_cpp is lib is load_library(), llama_cpp.Llama.__name__)
"""
AFTERWARDS = """
import llama_cpp
from edge_llasm.llama_library import load_library
print(llama_cpp.llama_cpp is load_library())
"""


@pytest.mark.parametrize(
    ("code", "said"),
    [(ALONE, "False False cpu\nTrue Llama\n"), (AFTERWARDS, "True\n")],
    ids=["before the package", "after the package"],
)
def test_the_api_is_the_package_s_own_in_any_order(code: str, said: str) -> None:
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.stdout, run.stderr) == (said, "")


def test_what_is_not_installed_or_of_another_version_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    load_ggml()
    lib = load_library()
    monkeypatch.setattr(llama_library, "_bindings", lambda: ("0.4.0", lib))
    with pytest.raises(EngineError, match=r"llama-cpp-python 0\.4\.0 is not supported: pip install"):
        load_library()
    monkeypatch.undo()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(llama_library, "_bindings", llama_library._bindings.__wrapped__)
    monkeypatch.delitem(sys.modules, "llama_cpp", raising=False)
    with pytest.raises(EngineError, match="llama-cpp-python is not installed: pip install"):
        load_library()
