from dataclasses import replace

from convert.tower import blocks
from convert.whisper import tensor_names
from tests.tiny import WHISPER


def test_every_matrix_and_norm_of_whisper_is_used_once() -> None:
    shape = replace(WHISPER, encoder_layers=3)
    both = [block for side in ("encoder", "decoder") for block in blocks(shape, side)]
    used = [f"{source}.weight" for block in both for linear in block.linears for source in linear.sources]
    used += [f"{norm}.weight" for block in both for norm in block.norms]
    there = [
        theirs for _, theirs in tensor_names(shape) if ".layers." in theirs and theirs.endswith("weight")
    ]
    assert sorted(used) == sorted(there)


def test_only_the_decoder_s_look_at_the_encoder_reads_positions_in_it() -> None:
    rows = [
        linear.name
        for block in blocks(WHISPER, "decoder")
        for linear in block.linears
        if not linear.of_queries
    ]
    assert rows == ["decoder.layers.0.cross_kv", "decoder.layers.1.cross_kv"]
    assert not any(linear.of_queries for block in blocks(WHISPER, "encoder") for linear in block.linears)
