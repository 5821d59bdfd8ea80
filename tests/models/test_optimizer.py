"""One learning rate moves every weight by what its size bears."""

import pytest

pytestmark = pytest.mark.torch


def test_a_small_adapter_is_moved_by_small_steps_and_frozen_weights_not_at_all() -> None:
    import torch

    from models.nano.language import Llasm
    from models.nano.optimizer import USUAL, Optimizer

    torch.manual_seed(0)
    model = Llasm(n_vocab=40, d_speech=16)
    frozen = model.llama.lm_head.weight.requires_grad_(False)
    with torch.no_grad():
        model.adapter.weight.mul_(0.01 * USUAL / model.adapter.weight.square().mean().sqrt())
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = Optimizer(model, rate=1e-3)
    embedded = model.adapter(torch.randn(1, 5, 16))
    logits = model.llama(inputs_embeds=embedded).logits
    (logits**2).mean().backward()
    optimizer.step()
    moved = {
        name: (parameter.detach() - before[name]).square().mean().sqrt().item()
        for name, parameter in model.named_parameters()
    }
    assert 0 < moved["adapter.weight"] < 2e-5  # a hundredth of the rate
    assert (
        moved["llama.model.layers.0.mlp.up_proj.weight"] > 2e-5
    )  # a gradient of few rows: Muon moves few directions
    assert torch.equal(frozen, before["llama.lm_head.weight"])


def test_a_saved_optimizer_is_taken_up_again() -> None:
    import torch

    from models.nano.language import Llasm
    from models.nano.optimizer import Optimizer

    model = Llasm(n_vocab=40, d_speech=16)
    first, second = Optimizer(model, rate=1e-3), Optimizer(model, rate=1e-3)
    model.llama(inputs_embeds=model.adapter(torch.randn(1, 5, 16))).logits.sum().backward()
    first.step()
    second.load_state_dict(first.state_dict())
    assert second.state_dict()["state"].keys() == first.state_dict()["state"].keys() != set()
