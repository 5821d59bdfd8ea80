"""llama-cpp-python's own Llama, as its users open it: what rivals answer with."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from edge_llasm.bundle import Bundle
from edge_llasm.llama_library import load_library

__all__ = ["encoder", "import_llama", "open_llama"]


def import_llama() -> Any:
    """The package llama_cpp, silent. Raises EngineError."""
    load_library(verbose=False)
    return importlib.import_module("llama_cpp")


def open_llama(bundle: Bundle, threads: int) -> Any:
    """The bundle's language model, by the package's own defaults unless others are faster."""
    return import_llama().Llama(
        str(bundle.llm_file),
        n_ctx=bundle.llm.n_ctx,
        n_threads=threads,
        n_threads_batch=threads,
        flash_attn=True,  # llama.cpp's default, though not its Python package's; reads prompts somewhat faster
        verbose=False,
    )


def encoder(llama: Any) -> Callable[[str], list[int]]:
    """Its tokenizer: text -> ids, no BOS, and no special token out of plain text."""
    return lambda text: list(llama.tokenize(text.encode(), add_bos=False, special=False))
