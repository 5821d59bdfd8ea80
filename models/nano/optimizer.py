"""Muon for the matrices between layers, AdamW for everything else: nano hears as well in about half of AdamW's steps.

Muon: Jordan et al. 2024; its step scaled to AdamW's: arXiv 2502.16982.
"""

from typing import Any

import torch
from torch import nn

from models.nano import parallel

MUON_RATE = 4.0  # of AdamW's
USUAL = 1 / 16  # root mean square of the weights of a matrix between layers as wide as nano's
MUON_DECAY = 0.25  # of AdamW's, so that both shrink the weights alike


class Optimizer:
    """Both optimizers behind one learning rate: AdamW's. Each process computes Muon's step for its share of the matrices."""

    def __init__(self, model: nn.Module, rate: float, weight_decay: float = 0.02) -> None:
        self._matrices: list[nn.Parameter] = []
        others: dict[float, list[nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and ".layers." in name and parameter.ndim == 2:
                self._matrices.append(parameter)
            elif parameter.requires_grad:
                factor = _smallness(model, name)
                others.setdefault(factor, []).append(parameter)
        groups = [{"params": parameters, "factor": factor} for factor, parameters in others.items()]
        self._adamw = torch.optim.AdamW(groups, rate, (0.9, 0.98), 1e-6, weight_decay)
        mine = parallel.share_of(self._matrices)
        self._muon = (
            torch.optim.Muon(mine, weight_decay=weight_decay * MUON_DECAY, adjust_lr_fn="match_rms_adamw")
            if mine
            else None
        )
        self.set_rate(rate)

    def set_rate(self, rate: float) -> None:
        for group in self._adamw.param_groups:
            group["lr"] = rate * group["factor"]
        for group in self._muon.param_groups if self._muon else ():
            group["lr"] = rate * MUON_RATE

    def zero_grad(self) -> None:
        self._adamw.zero_grad()
        for parameter in self._matrices:
            parameter.grad = None

    def step(self) -> None:
        self._adamw.step()
        if self._muon:
            self._muon.step()
        parallel.exchange(self._matrices)

    def state_dict(self) -> dict[str, Any]:
        """AdamW's; Muon's momentum forms anew within some twenty steps."""
        state: dict[str, Any] = self._adamw.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._adamw.load_state_dict(state)


def _smallness(model: nn.Module, name: str) -> float:
    """Of the steps, for weights that are small by design: an aligned adapter's would be lost in a few of the usual ones."""
    if not name.startswith("adapter."):
        return 1.0
    weight = model.get_parameter("adapter.weight").detach()
    return min(1.0, weight.square().mean().sqrt().item() / USUAL)
