"""The training loop: one step after another, what happens around them, and the checkpoint that it goes on from."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from kinema.common.heap import freed_memory_kept
from kinema.data.pairs import Batch
from kinema.data.training_data import TrainingData
from kinema.methods.base import Method
from kinema.methods.momentum import KeyQueue, MomentumEncoder
from kinema.training.callbacks import Callback
from kinema.training.coordination import Together
from kinema.training.metrics import MetricsWriter
from kinema.training.module import TrainingModule


def seed_everything(seed: int) -> None:
    """Let all generators of random numbers begin anew, those that methods of other packages may draw from too."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)


class Trainer:
    """Trains a module in place, alone or together with other processes, each on one device.

    Args:
        module: what a step is.
        together: the processes that train.
        device: that this one trains on.
        precision: that networks compute in, float32 or bfloat16; weights are float32.
        metrics: takes what the steps find; None to let go of it, as all processes but the first do.

    Attributes:
        step: how many steps have been taken, of as many as ``end``.
    """

    def __init__(
        self,
        module: TrainingModule,
        together: Together,
        device: torch.device,
        precision: torch.dtype,
        metrics: MetricsWriter | None = None,
    ):
        self.module, self.together, self.metrics = module, together, metrics
        self.device, self.precision, self.first = device, precision, together.rank == 0
        self.step = self.end = 0

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Inside, steps can be taken; afterwards the module is on the CPU."""
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        self.together.join(self.device)
        self.module.to(self.device)
        self.optimizer, self.learning_rate = self.module.make_optimizer()
        alone = self.together.count == 1
        self._forward: nn.Module = self.module if alone else data_parallel(self.module, self.device)
        try:
            with freed_memory_kept() if self.device.type == "cpu" else nullcontext():
                yield
        finally:
            self.module.cpu()
            del self.optimizer, self.learning_rate, self._forward  # with what they hold on a GPU

    def take(self, batch: Batch, names: Callable[[Tensor], list[str]]) -> None:
        """Take a step, in the phase that the module is in.

        Args:
            batch: of this process.
            names: gives the files of its videos, for the TrainingError that is raised if the loss is not finite.
        """
        there = {name: cast(Tensor, value).to(self.device, non_blocking=True) for name, value in batch.items()}
        self.optimizer.zero_grad()
        # without a cache, gradients of a weight that is used several times are added in float32
        with torch.autocast(self.device.type, torch.bfloat16, self.precision == torch.bfloat16, cache_enabled=False):
            loss = self._forward(there, self.step)
        loss.backward()
        self.module.conclude(self.step, names)
        self.write(self.module.facts, self.step)
        if self.module.config.optimizer.clip_norm:
            nn.utils.clip_grad_norm_(self.module.parameters(), self.module.config.optimizer.clip_norm)
        self.optimizer.step()
        self.learning_rate.step()
        self.step += 1

    def write(self, facts: Mapping[str, float], step: int) -> None:
        """Log facts about a step."""
        if self.metrics is not None:
            self.metrics.write({"epoch": step // self.module.plan.steps_per_epoch, **facts}, step)

    def fit(self, data: TrainingData, end: int, callbacks: Sequence[Callback], checkpoint: Path | None = None) -> None:
        """Take steps until there have been enough.

        Args:
            data: where batches come from.
            end: how many steps there are to be, those of earlier calls of the same run included.
            callbacks: what happens around them.
            checkpoint: of this training, to go on from; None to begin.
        """
        self.data, self.callbacks, self.end = data, callbacks, end
        if self.first:
            data.prepare()
        self.together.complete()
        self.together.agree(f"prepared {self.module.out.name}", "")  # however long that took
        with self.ready():
            if checkpoint is not None:
                self._go_on(checkpoint)
            if self.step < end:
                self._run()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            for callback in self.callbacks:
                callback.on_start(self)
            for batch in self.data.batches(lambda: self.step):
                for callback in self.callbacks:
                    callback.before_step(self)
                self.module.enter(self.step)
                self.take(batch, self.data.names)
                for callback in self.callbacks:
                    callback.after_step(self)
                if self.step == self.end:
                    break
        except BaseException as ended:
            error = ended
            raise
        finally:
            for callback in self.callbacks:
                callback.on_end(self, error)
            if self.metrics is not None:
                self.metrics.close()

    def save(self, path: Path) -> None:
        """Write a checkpoint: what a later call goes on from, and what must be the same then."""
        state = {
            "global_step": self.step,
            "state_dict": self.module.state_dict(),
            "optimizer_states": [self.optimizer.state_dict()],
            "lr_schedulers": [self.learning_rate.state_dict()],
            "callbacks": {type(callback).__name__: callback.state_dict() for callback in self.callbacks},
            "data": self.data.state_dict(),
            "identity": self.module.identity,
            "config": asdict(self.module.config),
            "processes": self.together.count,
        }
        torch.save(state, whole := io.BytesIO())  # of a full disk it would not say that it is full
        path.write_bytes(whole.getbuffer())

    def _go_on(self, path: Path) -> None:
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.step = state["global_step"]
        self.module.load_state_dict(state["state_dict"])
        self.optimizer.load_state_dict(state["optimizer_states"][0])
        self.learning_rate.load_state_dict(state["lr_schedulers"][0])
        for callback in self.callbacks:
            if (name := type(callback).__name__) in state["callbacks"]:
                callback.load_state_dict(state["callbacks"][name])
        self.data.load_state_dict(state["data"] if "data" in state else state["ClipPairsModule"])  # of Lightning


def share_statistics(method: Method) -> None:
    """Let batch norms of all that is trained take their statistics over all processes."""
    for name, child in method.named_children():
        if not isinstance(child, MomentumEncoder):
            setattr(method, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))


def data_parallel(module: nn.Module, device: torch.device) -> DistributedDataParallel:
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
