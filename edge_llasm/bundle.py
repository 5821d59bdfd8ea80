"""A model is a folder: bundle.toml, speech.bin, adapter.onnx, llm.gguf, and mostly speech.onnx with speech.weights.

```toml
format = 1
name = "nano"
version = "0.1.0"
licence = "MIT"
languages = ["en", "zh"]
template = "llama2-llasm"    # a name in prompt.TEMPLATES
system = ""                  # optional: replaces the template's system prompt, "" is none at all
transcribe = "Transcribe."   # the instruction that makes this model transcribe
memory = 250000000           # optional: bytes needed once it is loaded
[sources.checkpoint]         # optional: what llm.gguf and adapter.onnx were made from; [sources.whisper] likewise
name = "LinkSoul/LLaSM-Cllama2"
revision = "0123abcd"        # optional
licence = "openrail"
[speech]
engine = "whisper.cpp"       # reads speech.bin
d = 192
n_queries = 64
window_seconds = 10.0        # encoder frames * 0.02
trim_window = true
n_mels = 80
type = "q8_0"                # optional
onnx = "q8_0"                # optional: numbers of speech.onnx, in speech.weights
[llm]
n_embd = 256
n_vocab = 3000
n_ctx = 1024
type = "Q8_0"                # optional
[tokens]
bos = 1
eos = 2
au_start = 2997
au_patch = 2998
au_end = 2999
[sampling]                   # optional
temperature = 0.0
max_tokens = 256
[files."speech.bin"]         # likewise adapter.onnx and llm.gguf, speech.onnx and speech.weights
size = 123
sha256 = "…"
[parity]                     # optional: parity.py
```
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_llasm.errors import BundleError, UnknownModel
from edge_llasm.manifest import (
    MANIFEST,
    BundleFile,
    LlmSpec,
    SamplingDefaults,
    Source,
    SpeechSpec,
    bundle_files,
    llm_spec,
    read_manifest,
    sampling_defaults,
    sources,
    speech_spec,
    token_ids,
)
from edge_llasm.parity import Parity, parity_of
from edge_llasm.prompt import TEMPLATES, TokenIds

__all__ = ["Bundle", "BundleFile", "LlmSpec", "SamplingDefaults", "SpeechSpec", "TokenIds", "search_path"]

SPEECH_FILE, ADAPTER_FILE, LLM_FILE = "speech.bin", "adapter.onnx", "llm.gguf"
ONNX_FILE, WEIGHTS_FILE = "speech.onnx", "speech.weights"
"""The same speech tower for onnxruntime, and its numbers: both or none"""
HOME_VARIABLE = "EDGE_LLASM_HOME"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bundle:
    """A model folder whose manifest was read; `verify` checks the files themselves."""

    path: Path
    name: str
    version: str
    licence: str
    languages: tuple[str, ...]
    """BCP 47 tags"""
    template: str
    """a name in prompt.TEMPLATES"""
    system: str | None
    """replaces the template's system prompt; "" is none at all, None keeps the template's"""
    transcribe: str
    """the instruction that makes this model transcribe"""
    speech: SpeechSpec
    llm: LlmSpec
    tokens: TokenIds
    sampling: SamplingDefaults
    files: tuple[BundleFile, ...]
    memory: int | None = None
    """bytes needed once it is loaded; None: not known"""
    sources: tuple[Source, ...] = ()
    """what it was made from"""
    parity: Parity | None = None
    """how far it is from that; None: not measured"""

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Bundle:
        """Read and check `path`/bundle.toml. Raises BundleError."""
        try:
            folder = Path(path).expanduser()
        except RuntimeError as error:
            raise BundleError(f"{path} names a home folder that is not known; give its full path") from error
        top = read_manifest(folder)
        speech, llm = speech_spec(top.table("speech")), llm_spec(top.table("llm"))
        template = top.text("template")
        if template not in TEMPLATES:
            raise top.fail(
                "template", f"is {template!r}, which must be one of {', '.join(sorted(TEMPLATES))}"
            )
        if speech.n_queries + 2 >= llm.n_ctx:
            raise top.fail(
                "n_ctx", f"= {llm.n_ctx} has no room for the {speech.n_queries} states of one recording"
            )
        for_onnx = (WEIGHTS_FILE,) if ONNX_FILE in top.table("files").values else ()
        return cls(
            path=folder,
            name=top.text("name"),
            version=top.text("version"),
            licence=top.text("licence"),
            languages=top.texts("languages"),
            template=template,
            system=top.text("system", empty=True) if "system" in top.values else None,
            transcribe=top.text("transcribe"),
            speech=speech,
            llm=llm,
            tokens=token_ids(top.table("tokens"), llm.n_vocab),
            sampling=sampling_defaults(top.table("sampling", required=False)),
            files=bundle_files(top.table("files"), (SPEECH_FILE, ADAPTER_FILE, LLM_FILE, *for_onnx)),
            memory=top.integer("memory", 1, 1 << 50) if "memory" in top.values else None,
            sources=sources(top.table("sources", required=False)),
            parity=parity_of(top.table("parity", required=False)),
        )

    @classmethod
    def find(cls, name_or_path: str | os.PathLike[str]) -> Bundle:
        """The bundle of this name on the search path, or the one in this folder.

        Anything that holds a slash or begins with "." or "~" is a folder. Raises UnknownModel, BundleError.
        """
        text = os.fspath(name_or_path)
        if not isinstance(name_or_path, str) or "/" in text or os.sep in text or text.startswith((".", "~")):
            return cls.load(text)
        for name, folder in _folders():
            if name == text:
                return cls.load(
                    folder
                )  # by its folder's name, so that a broken one is told apart from an unknown one
        bundles = cls.available()
        for bundle in bundles:
            if bundle.name == text:
                return bundle
        if os.path.isfile(os.path.join(text, MANIFEST)):  # never raises, unlike pathlib's
            return cls.load(text)
        known = ", ".join(sorted(bundle.name for bundle in bundles)) or "none is installed"
        raise UnknownModel(
            f"no model is called {text!r} (known: {known}); give one of these, or a folder as ./NAME"
        )

    @classmethod
    def available(cls) -> list[Bundle]:
        """Every bundle on the search path with a readable manifest; of two with one name, the first found."""
        bundles: dict[str, Bundle] = {}
        for _, folder in _folders():
            try:
                bundle = cls.load(folder)
            except BundleError as error:
                logger.warning("left out: %s", error)
                continue
            bundles.setdefault(bundle.name, bundle)
        return list(bundles.values())

    @property
    def speech_file(self) -> Path:
        return self.path / SPEECH_FILE

    @property
    def has_onnx(self) -> bool:
        """Whether onnxruntime can hear with this model."""
        return any(file.name == ONNX_FILE for file in self.files)

    @property
    def onnx_file(self) -> Path:
        """Where `has_onnx` is true."""
        return self.path / ONNX_FILE

    def speech_files(self, engine: str) -> tuple[str, ...]:
        """Names of the files that are opened where `engine` hears: onnx or whisper.cpp."""
        tower = (ONNX_FILE, WEIGHTS_FILE) if engine == "onnx" else (SPEECH_FILE,)
        return (*tower, ADAPTER_FILE)

    @property
    def adapter_file(self) -> Path:
        return self.path / ADAPTER_FILE

    @property
    def llm_file(self) -> Path:
        return self.path / LLM_FILE

    @property
    def llm_entry(self) -> BundleFile:
        """What the manifest says of llm.gguf."""
        return next(file for file in self.files if file.name == LLM_FILE)

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    def verify(self, progress: Callable[[float], None] | None = None) -> None:
        """Read everything: check sizes, checksums and that the parts fit together.

        `progress` gets the share that was read, 0 to 1. `Assistant.load` checks the same of the files that it opens,
        and reads none again that was found right and did not change (checked.py).
        Call it before native code opens a file. Raises BundleError that names the file and what is wrong.
        """
        from edge_llasm.verify import check_files, check_fit

        check_files(self, progress)
        check_fit(self)


def search_path() -> list[Path]:
    """Folders whose sub-folders are bundles.

    First the user's own, $EDGE_LLASM_HOME/models or models in the user's data folder, then the bundles inside an
    installed package, then models/ beside the package in a checkout.
    """
    import platformdirs

    home = os.path.expanduser(os.environ.get(HOME_VARIABLE, ""))
    package = Path(__file__).resolve().parent
    return [
        Path(home or platformdirs.user_data_dir("edge-llasm", appauthor=False)) / "models",
        package / "bundles",
        package.parent / "models",
    ]


def _folders() -> Iterator[tuple[str, Path]]:
    # A model's folder in a checkout also holds its recipe, so its bundle may lie one level down.
    for place in search_path():
        if not place.is_dir():
            continue
        for folder in sorted(place.iterdir()):
            if folder.name.startswith("."):
                continue  # a model that is not there completely
            for candidate in (folder, folder / "bundle"):
                if (candidate / MANIFEST).is_file():
                    yield folder.name, candidate
                    break
