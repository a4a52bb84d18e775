"""How Lightning begins the processes of a training, where nobody else does, and what they keep to themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from torch.nn.parallel import DistributedDataParallel

from kinema.methods.base import Method
from kinema.methods.momentum import MomentumEncoder
from kinema.methods.queue import KeyQueue
from kinema.training.ranks import Place
from kinema.training.together import Together


def share_statistics(method: Method) -> None:
    """Let batch norms of all that is trained take their statistics over all processes."""
    for name, child in method.named_children():
        if not isinstance(child, MomentumEncoder):
            setattr(method, name, torch.nn.SyncBatchNorm.convert_sync_batchnorm(child))


class Launched(DDPStrategy):
    """Data-parallel training whose processes end together, by :class:`~kinema.training.together.Together`.

    Before each step all get the first's running statistics of batch normalisation, which frozen layers compute with;
    but not its queues, which every process fills with the same keys, and which are many times larger.

    Args:
        together: the processes.
        place: of this one.
    """

    def __init__(self, together: Together, place: Place):
        # LMCL alone uses no projector, and a phase its own level alone
        super().__init__(cluster_environment=place.environment, find_unused_parameters=True)
        self.together = together

    def _configure_launcher(self) -> None:
        assert self.cluster_environment is not None
        self._launcher = _Launcher(self.cluster_environment, self.num_processes, self.num_nodes)
        self._launcher.together = self.together

    def _setup_model(self, model: torch.nn.Module) -> DistributedDataParallel:
        alike = [
            f"{name}.{buffer}"
            for name, module in model.named_modules()
            if isinstance(module, KeyQueue)
            for buffer, _ in module.named_buffers()
        ]
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, alike)
        return super()._setup_model(model)


class _Launcher(_SubprocessScriptLauncher):
    """Begins the processes and waits until all are there. Lightning's own, which kills the others when one fails, would
    often do so before they have said why, and sets another number of threads than the settings ask for."""

    together: Together

    def launch(self, function: Callable[..., Any], *args: Any, trainer: Any = None, **kwargs: Any) -> Any:
        if not self.cluster_environment.creates_processes_externally:
            self._call_children_scripts()
            self.together.begun = self.procs
        self.together.complete()
        return function(*args, **kwargs)
