"""States are drawn to the mean of the word that was said there, and only where it is certain which one it was."""

import pytest

pytestmark = pytest.mark.torch


def test_the_distance_is_from_the_words_that_were_said() -> None:
    import torch

    from models.nano.hearing import N_QUERIES
    from models.nano.sharpen import distance

    torch.manual_seed(0)
    means, blank = torch.randn(4, 8), 3
    heard = torch.full((2, N_QUERIES), blank)
    heard[0, 0], heard[0, 1] = 2, 1  # "0 1" was said: the first word is taken for another
    heard[1, 0] = 0  # "0 1" again, one word unheard
    logits = torch.nn.functional.one_hot(heard, 4).float()
    said, counts = torch.tensor([0, 1, 0, 1]), torch.tensor([2, 2])
    units = heard.clone()
    units[0, 0] = 0

    right = means[units].requires_grad_()
    assert distance(right, logits, said, counts, means) < 1e-5
    states = (means[units] + 1.0).requires_grad_()
    away = distance(states, logits, said, counts, means)
    assert abs(away.item() - 8.0) < 1e-3  # 1² in each of 8 directions
    away.backward()
    assert states.grad is not None
    assert states.grad[0].abs().sum() > 0
    assert states.grad[1].abs().sum() == 0  # that clip does not count
    assert states.grad[0, 0].norm() > 5 * states.grad[0, 5].norm()  # blanks count little


def test_without_a_clip_that_counts_there_is_nothing_to_learn() -> None:
    import torch

    from models.nano.hearing import N_QUERIES
    from models.nano.sharpen import distance

    means = torch.randn(3, 4)
    logits = torch.zeros(1, N_QUERIES, 3)
    logits[..., 2] = 1.0
    states = torch.randn(1, N_QUERIES, 4, requires_grad=True)
    away = distance(states, logits, torch.tensor([0]), torch.tensor([1]), means)
    assert away.item() == 0.0
