from dataclasses import replace

from convert.tower import blocks, linears
from convert.whisper import tensor_names
from tests.tiny import WHISPER


def test_every_matrix_and_norm_of_whisper_is_used_once() -> None:
    shape = replace(WHISPER, encoder_layers=3)
    both = [block for side in ("encoder", "decoder") for block in blocks(shape, side)]
    used = [f"{linear.name}.weight" for block in both for linear in block.linears]
    used += [f"{norm}.weight" for block in both for norm in block.norms]
    there = [
        theirs for _, theirs in tensor_names(shape) if ".layers." in theirs and theirs.endswith("weight")
    ]
    assert sorted(used) == sorted(there)


def test_the_biases_are_those_that_whisper_has() -> None:
    there = {theirs for _, theirs in tensor_names(WHISPER)}
    for linear in linears(WHISPER):
        assert (f"{linear.name}.bias" in there) == linear.has_bias, linear.name
