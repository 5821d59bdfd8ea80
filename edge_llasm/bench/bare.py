"""llama.cpp alone: the same file and the same threads in a loop of C calls, without a guard, a stop or any text.

What Python adds to a token is read off against it. It hears nothing: its prompt is as many tokens as the recording
would take, behind as many as every chat begins with.
"""

from __future__ import annotations

import argparse
import ctypes
from dataclasses import replace
from math import ceil
from time import perf_counter

from edge_llasm.bench.candidate import ANSWER, Loaded, Turn
from edge_llasm.bench.worker import serve
from edge_llasm.bundle import Bundle
from edge_llasm.composer import Composer
from edge_llasm.devices import DEVICES, llm_device
from edge_llasm.errors import EngineError, PromptTooLong
from edge_llasm.gguf_file import read_gguf
from edge_llasm.llama import Llama
from edge_llasm.llama_library import load_library, log
from edge_llasm.llama_setup import DEFAULTS, FLASH_ATTENTION, KV_TYPES, REPACK
from edge_llasm.segments import length
from edge_llasm.tuned import tuned_for

__all__ = ["BareLlama", "main"]

ANY = 1
"""A token: which one a prompt holds changes nothing about the time"""


class BareLlama:
    """A model, a context and the likeliest token."""

    def __init__(
        self,
        model: str,
        *,
        device: str = "auto",
        kv_type: str = DEFAULTS.kv_type,
        flash_attention: str = DEFAULTS.flash_attention,
        repack: str = "auto",
    ) -> None:
        """Raises UnknownModel, BundleError, DeviceError, EngineError."""
        bundle = Bundle.find(model)
        bundle.verify()
        load_library()
        start = perf_counter()
        tuned = tuned_for(bundle, llm_device(device).device).setup  # as the product runs it
        repack = tuned.repack if repack == "auto" else repack
        setup = replace(tuned, kv_type=kv_type, flash_attention=flash_attention, repack=repack)
        self._llama = Llama.open(bundle.llm_file, n_ctx=bundle.llm.n_ctx, device=device, setup=setup)
        load_ms = 1000 * (perf_counter() - start)
        self._lib, self._context = self._llama._lib, self._llama._context  # the calls are made here
        self._greedy = self._lib.llama_sampler_init_greedy()
        self._speech, self._n_ctx, self._fed = bundle.speech, bundle.llm.n_ctx, 0
        self._head = length(Composer(bundle, self._llama.tokenize, self._n_ctx).head(()))
        gguf = read_gguf(bundle.llm_file)
        self.loaded = Loaded(
            name=", ".join(["llama.cpp, a bare loop", *setup.marks]),
            load_ms=load_ms,
            note="hears nothing",
            device=self._llama.device,
            expected=bundle.llm_file.stat().st_size + bundle.llm.n_ctx * gguf.cache_per_position,
            bytes_per_token=gguf.bytes_per_token,
        )

    def turn(self, seconds: float, *, first: bool) -> Turn:
        """Raises PromptTooLong, EngineError."""
        if first:
            self._fed = self._llama.forget(0)
            self._read(self._head)
        n = ceil(seconds / self._speech.window_seconds) * (self._speech.n_queries + 2)
        cached = self._fed
        if cached + n + ANSWER > self._n_ctx:
            raise PromptTooLong(f"the prompt takes {cached + n} of the model's {self._n_ctx} tokens")
        start = perf_counter()
        self._read(n)
        read = perf_counter()
        token = self._likeliest()
        begun = perf_counter()
        for _ in range(ANSWER - 1):
            self._feed([token])
            token = self._likeliest()
        took = perf_counter() - begun
        return Turn(
            first_token_ms=1000 * (begun - start),
            mel_ms=None,
            speech_ms=0.0,
            adapter_ms=None,
            prefill_ms=1000 * (read - start),
            prompt_tokens=cached + n,
            cached_tokens=cached,
            tokens_per_second=(ANSWER - 1) / took,
        )

    def close(self) -> None:
        if self._greedy is not None:
            self._lib.llama_sampler_free(self._greedy)
            self._greedy = None
        self._llama.close()

    def _read(self, n: int) -> None:
        for at in range(0, n, self._llama.n_batch):
            self._feed([ANY] * min(self._llama.n_batch, n - at))

    def _feed(self, tokens: list[int]) -> None:
        ids = (ctypes.c_int32 * len(tokens))(*tokens)  # the batch only points to it
        batch = self._lib.llama_batch_get_one(ids, len(tokens))
        status = int(self._lib.llama_decode(self._context, batch))
        if status != 0:
            raise EngineError(f"llama.cpp could not run the model (status {status}): {log.last_error()}")
        self._fed += len(tokens)

    def _likeliest(self) -> int:
        return int(self._lib.llama_sampler_sample(self._greedy, self._context, -1))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m edge_llasm.bench.bare", description=__doc__)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--kv-type", choices=tuple(KV_TYPES), default=DEFAULTS.kv_type)
    parser.add_argument("--flash-attention", choices=tuple(FLASH_ATTENTION), default=DEFAULTS.flash_attention)
    parser.add_argument("--repack", choices=("auto", *REPACK), default="auto")
    options = vars(parser.parse_args())
    serve(lambda: BareLlama(**options))


if __name__ == "__main__":
    main()
