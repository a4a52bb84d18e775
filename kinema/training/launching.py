"""How the processes of a training begin, where nobody else begins them, and what they share of a step."""

from __future__ import annotations

import os
import sys
from subprocess import Popen

import torch
from torch.nn.parallel import DistributedDataParallel

import __main__
from kinema.methods.base import Method
from kinema.methods.momentum import KeyQueue, MomentumEncoder
from kinema.training.ranks import Place


def begin_others(place: Place) -> list[Popen[bytes]]:
    """Begin the others of this node: this program once more for each, whose environment says which it is. This one's
    says from now on that they were begun, as later trainings of the program have to know."""
    os.environ |= {"MASTER_ADDR": place.address, "MASTER_PORT": str(place.port)}
    os.environ |= {"NODE_RANK": str(place.node), "LOCAL_RANK": str(place.local)}
    module = getattr(__main__, "__spec__", None)
    program = [os.path.abspath(sys.argv[0])] if module is None else ["-m", module.name]
    call = [sys.executable, *program, *sys.argv[1:]]
    return [Popen(call, env={**os.environ, "LOCAL_RANK": str(1 + other)}) for other in range(place.begins)]


def share_statistics(method: Method) -> None:
    """Let batch norms of all that is trained take their statistics over all processes."""
    for name, child in method.named_children():
        if not isinstance(child, MomentumEncoder):
            setattr(method, name, torch.nn.SyncBatchNorm.convert_sync_batchnorm(child))


def data_parallel(module: torch.nn.Module, device: torch.device) -> DistributedDataParallel:
    """A module, on its device, whose gradients are the means over all processes.

    Before each step all get the first's running statistics of batch normalisation, which frozen layers compute with;
    but not its queues, which every process fills with the same keys, and which are many times larger.
    """
    alike = [
        f"{name}.{buffer}"
        for name, part in module.named_modules()
        if isinstance(part, KeyQueue)
        for buffer, _ in part.named_buffers()
    ]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(module, alike)
    # LMCL alone uses no projector, and a phase its own level alone
    return DistributedDataParallel(module, [device] if device.type == "cuda" else None, find_unused_parameters=True)
