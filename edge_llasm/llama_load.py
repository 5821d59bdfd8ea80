"""Loads a model and sets up its context in llama.cpp: devices, batches, threads."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_llasm.cores import usable_processors
from edge_llasm.errors import EngineError
from edge_llasm.llama_library import log
from edge_llasm.llama_setup import FLASH_ATTENTION, KV_TYPES, REPACK, Setup
from edge_llasm.room import let_go_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["default_threads", "letting_go", "load_model", "new_context"]

ALL_LAYERS = -1
CPU_BATCH = 128
"""Positions fed at once. A prompt can be cancelled between batches; a CPU gains little from larger ones."""
GPU_BATCH = 512
SMALL_MODEL = 64 << 20
"""Bytes. ggml's threads spin at a barrier after each of some hundred small operations per token. On a model
that one core reads in a blink they gain little, and when other programs hold the cores they wait for whole
time slices: on two busy cores a 6 MB model took 1-2 ms a token and 40 ms for a prompt of 100 on one thread,
9-100 ms and 250-1200 ms on two. A model below this size runs on one thread."""
MAX_THREADS = 8
LET_GO_STEP = 0.1
"""Share of a model that is loaded between two times"""


def load_model(
    lib: Any,
    path: str | os.PathLike[str],
    device: str,
    setup: Setup,
    progress: Callable[[float], None] | None,
) -> Any:
    """A llama_model; what `progress` raises, and Ctrl-C, stop the loading. Raises EngineError."""
    raised: list[BaseException] = []

    def report(share: float, _: object) -> bool:
        try:
            if progress is not None:
                progress(share)
        except BaseException as error:  # noqa: BLE001 - raised again below: it must not pass through C
            raised.append(error)
        return not raised  # false stops the loading

    params = lib.llama_model_default_params()
    params.n_gpu_layers = 0 if device == "cpu" else ALL_LAYERS
    none = (ctypes.c_void_p * 1)(None)
    if device == "cpu":  # an empty list of devices: a GPU build does not even start the GPU
        params.devices = ctypes.cast(none, ctypes.c_void_p)
    params.use_extra_bufts = REPACK[setup.repack]
    callback = lib.llama_progress_callback(report)
    params.progress_callback = callback
    log.clear()
    model = lib.llama_model_load_from_file(os.fsencode(path), params)
    if raised:
        if model:
            lib.llama_model_free(model)
        raise raised[0]
    if not model:
        raise EngineError(f"llama.cpp cannot load {Path(path).name}: {log.last_error()}")
    n_embd, n_input = lib.llama_model_n_embd(model), lib.llama_model_n_embd_inp(model)
    if lib.llama_model_has_encoder(model) or n_input != n_embd:
        lib.llama_model_free(model)
        raise EngineError(f"{Path(path).name} is no plain decoder: embeddings cannot stand for its tokens")
    return model


def letting_go(file: Path, progress: Callable[[float], None] | None) -> Callable[[float], None]:
    """`progress`, and what was read of a file that is copied while it is loaded leaves the memory again.

    Else all of it would be there twice: in the order of the file, and in the processor's.
    """
    gone = 0.0

    def report(share: float) -> None:
        nonlocal gone
        if share >= gone + LET_GO_STEP or share == 1.0:
            let_go_of(file)
            gone = share
        if progress is not None:
            progress(share)

    return report


def new_context(lib: Any, model: Any, n_ctx: int, device: str, setup: Setup) -> Any:
    """A llama_context with a cache of `n_ctx` positions. Raises EngineError."""
    cpu = device == "cpu"
    params = lib.llama_context_default_params()
    params.n_ctx = n_ctx
    params.n_batch = params.n_ubatch = min(n_ctx, setup.n_batch or (CPU_BATCH if cpu else GPU_BATCH))
    params.n_seq_max = 1
    params.n_outputs_max = 1  # logits of one position at a time; 0 would hold n_batch rows of n_vocab
    params.n_threads = setup.n_threads or default_threads(int(lib.llama_model_size(model)))
    params.n_threads_batch = setup.n_threads_batch or params.n_threads
    params.flash_attn_type = FLASH_ATTENTION[setup.flash_attention]
    params.type_k = params.type_v = KV_TYPES[setup.kv_type]
    params.offload_kqv = params.op_offload = not cpu
    params.no_perf = True
    log.clear()
    context = lib.llama_init_from_model(model, params)
    if not context:
        advice = "" if setup.kv_type == "f16" else "; leave the KV cache in f16"
        raise EngineError(f"llama.cpp cannot set up a context of {n_ctx} tokens: {log.last_error()}{advice}")
    return context


def default_threads(model_size: int) -> int:
    """One thread for a small model, else the cores that this process may use (half of them if they are many:
    they are likely hyper-threads, which gain nothing here)."""
    if model_size < SMALL_MODEL:
        return 1
    cores = usable_processors()
    return min(MAX_THREADS, cores // 2 if cores > 4 else cores)
