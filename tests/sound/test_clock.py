"""When a block was heard, whatever a driver says of it."""

import pytest

from edge_llasm.sound.clock import WINDOW_S, Clock

RATE, N, BLOCK_S = 1000.0, 20, 0.020


def test_a_driver_that_tells_the_truth_is_believed() -> None:
    clock = Clock(RATE, BLOCK_S)
    for i in range(5):
        began = i * BLOCK_S
        assert clock.until(N, began, began + BLOCK_S + 0.150) == pytest.approx(began + BLOCK_S)


def test_of_blocks_that_come_together_the_first_was_heard_before_the_last() -> None:
    """PulseAudio, three blocks of 20 ms for every two parts of 30 ms: both of a pair are said to be the newest."""
    clock = Clock(RATE, BLOCK_S)
    untils = []
    for pair in range(4):
        now = 0.06 * (pair + 1)
        for come in (now - 0.03, now, now):
            untils.append(clock.until(N, come - 0.01, come))
    assert untils[2:] == pytest.approx([BLOCK_S * (i + 1) for i in range(2, 12)])


def test_it_finds_its_way_back_after_samples_were_lost() -> None:
    clock = Clock(RATE, BLOCK_S)
    clock.until(N, 0.0, BLOCK_S)
    gap = 0.5
    blocks = round(WINDOW_S / BLOCK_S)
    untils = [clock.until(N, 9.9, gap + i * BLOCK_S) for i in range(1, blocks + 2)]
    assert untils[0] == pytest.approx(2 * BLOCK_S)  # too early: whoever waits for a later moment waits longer
    assert untils[-1] == pytest.approx(gap + (blocks + 1) * BLOCK_S)
