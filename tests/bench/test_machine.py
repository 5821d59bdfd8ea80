from edge_llasm.bench.machine import measure_limits


def test_the_limits_are_those_of_a_computer() -> None:
    limits = measure_limits()
    assert limits.cores >= 1
    assert 1e8 < limits.float32 < 1e15
    assert 1e8 < limits.int8 < 1e16
    assert 1e7 < limits.read < 1e13
