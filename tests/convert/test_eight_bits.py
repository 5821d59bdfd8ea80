from convert.eight_bits import graph_bytes
from edge_llasm.speech.eight_bits import GRAPH


def test_the_graph_in_the_package_is_the_one_written_here() -> None:
    assert GRAPH.read_bytes() == graph_bytes()
