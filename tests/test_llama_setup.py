"""How a model runs is the user's choice, as far as it can be honoured."""

from pathlib import Path

import pytest

from edge_llasm.bundle import Bundle
from edge_llasm.errors import EngineError
from edge_llasm.llama_setup import Setup
from edge_llasm.llm import Llm, Sampling
from edge_llasm.segments import Tokens


def answer(setup: Setup) -> tuple[str, int]:
    """What nano says, and the bytes of its cache."""
    llm = Llm.load(Bundle.find("nano").llm_file, n_ctx=256, device="cpu", setup=setup)
    ids = (1, *llm.tokenize("define a function called parse date"))
    text = "".join(piece.text for piece in llm.generate([Tokens(ids)], Sampling(max_tokens=24)))
    n_bytes = llm._llama.save().nbytes
    llm.close()
    return text, n_bytes


def test_flash_attention_changes_no_answer_here() -> None:
    assert len({answer(Setup(flash_attention=how))[0] for how in ("auto", "on", "off")}) == 1


def test_a_cache_in_q8_0_is_a_little_over_half_as_large() -> None:
    _, whole = answer(Setup())
    text, half = answer(Setup(kv_type="q8_0"))
    assert text
    assert 0.5 < half / whole < 0.6


@pytest.mark.parametrize("name", ["n_threads", "n_threads_batch", "n_batch"])
def test_a_number_below_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1"):
        Setup(**{name: 0})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"kv_type": "q2"}, "no kv_type is called 'q2'; choose one of f16, q8_0"),
        ({"flash_attention": "maybe"}, "no flash_attention is called 'maybe'; choose one of auto, on, off"),
        ({"kv_type": "q8_0", "flash_attention": "off"}, "needs flash attention"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_loaded(options: dict[str, str], told: str) -> None:
    with pytest.raises(EngineError, match=told):
        Setup(**options)  # type: ignore[arg-type]


def test_heads_that_are_too_narrow_for_q8_0_are_one_line(tiny_bundle: Path) -> None:
    with pytest.raises(EngineError, match=r"does not divide n_embd_head_k=16; leave the KV cache in f16"):
        Llm.load(tiny_bundle / "llm.gguf", n_ctx=64, device="cpu", setup=Setup(kv_type="q8_0"))


def test_threads_and_batch_are_those_that_were_asked_for(tiny_bundle: Path) -> None:
    setup = Setup(n_threads=1, n_threads_batch=2, n_batch=32)
    llm = Llm.load(tiny_bundle / "llm.gguf", n_ctx=64, device="cpu", setup=setup)
    lib, context = llm._llama._lib, llm._llama._context
    assert (lib.llama_n_threads(context), lib.llama_n_threads_batch(context)) == (1, 2)
    assert (llm._llama.n_batch, llm.setup) == (32, setup)
    llm._llama.set_threads(2, 1)
    assert (lib.llama_n_threads(context), lib.llama_n_threads_batch(context)) == (2, 1)
    llm.close()
