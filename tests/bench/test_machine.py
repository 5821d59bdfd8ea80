from edge_llasm.bench.machine import Limits, measure_limits


def test_the_limits_are_those_of_a_computer() -> None:
    limits = measure_limits()
    assert limits.cores >= 1
    assert 1e8 < limits.float32 < 1e15
    assert 1e8 < limits.int8 < 1e16
    assert 1e7 < limits.read < 1e13
    assert limits.load >= 0


def test_a_machine_is_busy_when_all_its_cores_were_wanted() -> None:
    assert Limits(2, 1e11, 1e12, 1e10, 2.5).busy
    assert not Limits(2, 1e11, 1e12, 1e10, 1.5).busy
