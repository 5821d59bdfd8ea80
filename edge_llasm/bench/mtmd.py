"""A rival: llama.cpp's own libmtmd, through llama-cpp-python, with an encoder of random weights in Ultravox's form.

It computes as that library's own programs do: the text by llama.cpp, each 30 s of sound by the library's encoder, a
shorter clip too. What stands before a clip is kept from chat to chat.
"""

from __future__ import annotations

import ctypes
import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from edge_llasm.bench.candidate import Loaded, Turn
from edge_llasm.bench.chat import Chat, read
from edge_llasm.bench.clips import Samples, Speaker
from edge_llasm.bench.llama_python import encoder, import_llama, open_llama
from edge_llasm.bench.rival_options import parser, require
from edge_llasm.bench.worker import serve
from edge_llasm.bundle import Bundle
from edge_llasm.errors import EngineError
from edge_llasm.llama_library import log
from edge_llasm.prompt import Spoken
from edge_llasm.segments import Embeddings, Segment, Tokens, common_prefix, length, split

__all__ = ["FILE", "Mtmd", "main"]

FILE = "mmproj.gguf"
SEQUENCE = 0
"""of llama.cpp's cache: there is one"""


class Mtmd:
    """An encoder and a language model in one library."""

    def __init__(self, model: str, rival: Path, threads: int) -> None:
        """Raises BundleError, EngineError."""
        bundle, file = Bundle.find(model), require(rival / FILE)
        self._speaker = Speaker()
        self._llama_cpp = import_llama()
        self._mtmd: Any = importlib.import_module("llama_cpp.mtmd_cpp")
        start = perf_counter()
        self._llama = open_llama(bundle, threads)
        self._log = self._llama_cpp.llama_log_callback(log.take)  # kept: native code holds on to it
        for set_log in (self._mtmd.mtmd_log_set, self._mtmd.mtmd_helper_log_set):
            set_log(self._log, None)
        params = self._mtmd.mtmd_context_params_default()
        params.use_gpu, params.print_timings, params.n_threads = False, False, threads
        self._context = self._mtmd.mtmd_init_from_file(os.fsencode(file), self._llama.model, params)
        if not self._context:
            self._llama.close()
            raise EngineError(f"libmtmd cannot load {file} ({log.last_error()}); write it again")
        self._chat = Chat(bundle, encoder(self._llama))
        self._head: Segment = Tokens(())  # what the chat before began with
        self.loaded = Loaded(
            name="llama.cpp mtmd",
            load_ms=1000 * (perf_counter() - start),
            note="30 s window, f16, a projector in Ultravox's form",
        )

    def turn(self, seconds: float, *, first: bool) -> Turn:
        """Raises PromptTooLong, EngineError."""
        samples = self._speaker.say(seconds)
        start = perf_counter()
        with self._chunks(samples) as chunks:
            cut = perf_counter()
            clip = [self._hear(chunk) for chunk in chunks]
            heard = perf_counter()
            prompt = self._chat.ask(Spoken(tuple(clip)), first=first)
            cached = common_prefix([self._head], prompt[:1]) if first else self._llama.n_tokens
            self._head = prompt[0]
            tail = self._feed(prompt, cached, chunks)
        answer = read(self._llama.generate(tail.ids, temp=0.0, reset=False))
        self._chat.answered(answer.ids)
        return Turn(
            first_token_ms=1000 * (answer.began - start),
            mel_ms=1000 * (cut - start),
            speech_ms=1000 * (heard - cut),
            adapter_ms=None,  # the projector is a part of the encoder
            prefill_ms=1000 * (answer.began - heard),
            prompt_tokens=length(prompt),
            cached_tokens=cached,
            tokens_per_second=answer.tokens_per_second,
        )

    def close(self) -> None:
        context, self._context = self._context, None
        if context:
            self._mtmd.mtmd_free(context)
        self._llama.close()

    @contextmanager
    def _chunks(self, samples: Samples) -> Iterator[list[Any]]:
        """The spectrogram, 30 s by 30 s."""
        mtmd = self._mtmd
        data = samples.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        bitmap = mtmd.mtmd_bitmap_init_from_audio(len(samples), data)
        chunks = mtmd.mtmd_input_chunks_init()
        try:
            marker = mtmd.mtmd_default_marker()
            text = mtmd.mtmd_input_text(marker, len(marker), False, True)
            clips = (mtmd.mtmd_bitmap_p_ctypes * 1)(bitmap)
            self._must(
                mtmd.mtmd_tokenize(self._context, chunks, ctypes.byref(text), clips, 1), "mtmd_tokenize"
            )
            every = [
                mtmd.mtmd_input_chunks_get(chunks, i) for i in range(mtmd.mtmd_input_chunks_size(chunks))
            ]
            audio = mtmd.MTMD_INPUT_CHUNK_TYPE_AUDIO
            yield [chunk for chunk in every if mtmd.mtmd_input_chunk_get_type(chunk) == audio]
        finally:
            mtmd.mtmd_input_chunks_free(chunks)
            mtmd.mtmd_bitmap_free(bitmap)

    def _hear(self, chunk: Any) -> Embeddings:
        """Encoder and projector."""
        self._must(self._mtmd.mtmd_encode_chunk(self._context, chunk), "mtmd_encode_chunk")
        shape = (self._mtmd.mtmd_input_chunk_get_n_tokens(chunk), self._llama.n_embd())
        return Embeddings(np.ctypeslib.as_array(self._mtmd.mtmd_get_output_embd(self._context), shape))

    def _feed(self, prompt: Sequence[Segment], cached: int, chunks: Sequence[Any]) -> Tokens:
        """All but the text after the clip, which is returned: the answer begins with it."""
        llama, waiting = self._llama, iter(chunks)
        memory = self._llama_cpp.llama_get_memory(llama.ctx)
        self._llama_cpp.llama_memory_seq_rm(memory, SEQUENCE, cached, -1)
        llama.n_tokens = cached
        *before, tail = split(prompt, cached)[1]
        assert isinstance(tail, Tokens)
        for segment in before:
            if isinstance(segment, Tokens):
                llama.eval(segment.ids)
            else:
                llama.n_tokens = self._decode(next(waiting), segment)
        return tail

    def _decode(self, chunk: Any, heard: Embeddings) -> int:
        """Positions that are fed afterwards."""
        mtmd, llama, end = self._mtmd, self._llama, self._llama_cpp.llama_pos()
        values = heard.values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        place = (llama.n_tokens, SEQUENCE, llama.n_batch, ctypes.byref(end))
        no_callback = mtmd.mtmd_helper_post_decode_callback()
        code = mtmd.mtmd_helper_decode_image_chunk(
            self._context, llama.ctx, chunk, values, *place, no_callback, None
        )
        self._must(code, "mtmd_helper_decode_image_chunk")
        return int(end.value)

    def _must(self, code: int, call: str) -> None:
        if code != 0:
            raise EngineError(
                f"{call} failed with {code} ({log.last_error()}); close other programs and try again"
            )


def main() -> None:
    given = vars(parser("edge_llasm.bench.mtmd", __doc__).parse_args())
    serve(lambda: Mtmd(**given))


if __name__ == "__main__":
    main()
