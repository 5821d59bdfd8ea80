"""Data-parallel training on the cores of one machine: a single-threaded process each, gradients averaged over gloo.

Two processes of one thread lose far less to other programs than two threads that wait for each other at every operation.
"""

import os
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, multiprocessing, nn


def run(work: Callable[..., None], *arguments: Any, processes: int | None = None) -> None:
    """Call ``work(*arguments)`` in a process for each core; ``rank()`` tells them apart. An error in one ends all."""
    world = (
        processes or len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else processes or os.cpu_count() or 1
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(_process, (world, port, work, arguments), nprocs=world)


def _process(
    rank_: int, world: int, port: int, work: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank_, world_size=world)
    work(*arguments)
    dist.destroy_process_group()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()  # returns when it is gone, however it went
        os._exit(1)


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def share(items: list[Any]) -> list[Any]:
    """This process's part of a list that all of them hold; every part is equally long."""
    world = world_size()
    return items[rank() : len(items) - len(items) % world : world]


def share_of(items: list[Any]) -> list[Any]:
    """The items of a list that are this process's to look after; together the processes have all of them."""
    return items[rank() :: world_size()]


@torch.no_grad()
def exchange(parameters: list[nn.Parameter]) -> None:
    """Give each parameter, in every process, the value it has in the process that looks after it (``share_of``)."""
    if world_size() == 1 or not parameters:
        return
    mine = {id(parameter) for parameter in share_of(parameters)}
    flat = torch.cat([
        parameter.flatten() if id(parameter) in mine else torch.zeros(parameter.numel())
        for parameter in parameters
    ])  # fmt: skip
    dist.all_reduce(flat)
    _scatter(flat, parameters)


def _scatter(flat: Tensor, into: Sequence[Tensor]) -> None:
    at = 0
    for tensor in into:
        tensor.copy_(flat[at : at + tensor.numel()].view_as(tensor))
        at += tensor.numel()


def average(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes; one that a process does not have counts as zero."""
    if world_size() == 1:
        return
    gradients = []
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        gradients.append(parameter.grad)
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= world_size()
    _scatter(flat, gradients)


def total(tensor: Tensor) -> Tensor:
    """The sum over the processes."""
    summed = tensor.clone()
    if world_size() > 1:
        dist.all_reduce(summed)
    return summed


def agree(value: float) -> float:
    """The first process's number, for all."""
    if world_size() == 1:
        return value
    shared: Tensor = torch.tensor(value, dtype=torch.float64)
    dist.broadcast(shared, 0)
    return float(shared)
