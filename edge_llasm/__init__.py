"""Ask a speech language model a spoken question on your own machine.

>>> from edge_llasm import Assistant
>>> with Assistant.load("nano") as assistant:
...     for chunk in assistant.reply("question.wav"):
...         print(chunk.text, end="", flush=True)

The names below are imported when they are first used, so that `import edge_llasm` loads no native library.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from edge_llasm import errors

if TYPE_CHECKING:
    from edge_llasm.assistant import Assistant
    from edge_llasm.audio import load_audio
    from edge_llasm.bundle import Bundle
    from edge_llasm.model import Chunk
    from edge_llasm.sampling import Sampling
    from edge_llasm.timings import Timings

__version__ = "0.1.0"

__all__ = ["Assistant", "Bundle", "Chunk", "Sampling", "Timings", "__version__", "errors", "load_audio"]

_HOMES = {
    "Assistant": "edge_llasm.assistant",
    "Bundle": "edge_llasm.bundle",
    "Chunk": "edge_llasm.model",
    "Sampling": "edge_llasm.sampling",
    "Timings": "edge_llasm.timings",
    "load_audio": "edge_llasm.audio",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'edge_llasm' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
