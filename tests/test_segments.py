"""Embeddings that are compared by content, prefixes that are counted in positions."""

import numpy as np
import pytest

from edge_llasm.segments import Embeddings, Segment, Tokens, batches, common_prefix, length, split

A = Embeddings(np.arange(12, dtype=np.float32).reshape(3, 4))
B = Embeddings(np.arange(12, dtype=np.float32).reshape(3, 4) + 1)


def test_embeddings_are_equal_by_content() -> None:
    same = Embeddings(A.values.copy())
    assert same == A
    assert hash(same) == hash(A)
    assert A != B


def test_the_same_numbers_in_another_shape_are_other_embeddings() -> None:
    assert Embeddings(A.values.reshape(4, 3)) != A


def test_embeddings_cannot_be_changed_from_outside() -> None:
    values = np.zeros((2, 4), np.float32)
    embeddings = Embeddings(values)
    values[0, 0] = 1
    assert embeddings.values[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        embeddings.values[0, 0] = 1


def test_embeddings_of_any_layout_become_contiguous_float32() -> None:
    values = Embeddings(np.asfortranarray(np.ones((3, 4)))[:, ::2]).values  # type: ignore[arg-type]
    assert values.dtype == np.float32
    assert values.flags.c_contiguous


@pytest.mark.parametrize("shape", [(4,), (0, 4), (2, 0), (1, 2, 3)])
def test_embeddings_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        Embeddings(np.zeros(shape, np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_embeddings_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Embeddings(np.array([[0.0, bad]], np.float32))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([Tokens((1, 2, 3))], [Tokens((1, 2, 4))], 2),
        ([Tokens((1,)), Tokens((2, 3))], [Tokens((1, 2)), Tokens((3, 4))], 3),
        ([Tokens((1,)), A, Tokens((2,))], [Tokens((1,)), A, Tokens((3,))], 4),
        ([Tokens((1,)), A], [Tokens((1,)), B], 1),
        ([Tokens((1,)), A], [Tokens((1, 2))], 1),
        ([], [A], 0),
        ([A], [A], 3),
    ],
)
def test_common_prefix(a: list[Segment], b: list[Segment], expected: int) -> None:
    assert common_prefix(a, b) == common_prefix(b, a) == expected


@pytest.mark.parametrize("n", [0, 1, 2, 5, 6, 7])
def test_split_keeps_everything(n: int) -> None:
    segments: list[Segment] = [Tokens((1, 2)), A, Tokens((3, 4))]
    head, tail = split(segments, n)
    assert length(head) == n
    assert length(tail) == 7 - n
    assert common_prefix([*head, *tail], segments) == 7


def test_split_inside_embeddings_is_refused() -> None:
    with pytest.raises(ValueError, match="split"):
        split([A], 1)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
def test_batches_hold_every_position_once_in_its_order(size: int) -> None:
    segments: list[Segment] = [Tokens((1, 2, 3, 4)), A, Tokens((5,)), B]
    cut = list(batches(segments, size))
    assert [sum(part.end - part.start for part in batch) for batch in cut[:-1]] == [size] * (len(cut) - 1)
    parts = [part for batch in cut for part in batch]
    assert all(part.start < part.end for part in parts)
    for segment in segments:
        contents = [part.content for part in parts if part.segment is segment]
        whole = np.concatenate([np.asarray(content) for content in contents])
        assert np.array_equal(whole, segment.ids if isinstance(segment, Tokens) else segment.values)


def test_nothing_makes_no_batch() -> None:
    assert list(batches([], 4)) == []
