"""What a method of training is, and what goes into it and comes out of it."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from kinema.common.processes import WHOLE, Part
from kinema.config import PretrainConfig
from kinema.data.plan import Plan
from kinema.errors import ConfigError
from kinema.flow import FRA_ANGLES
from kinema.methods.progressive import Phase, ProgressiveSchedule
from kinema.models.encoder import VideoEncoder

SETTINGS = "settings: "
"""How a sentence begins that refuses a setting."""


class Views(NamedTuple):
    """A batch: an augmented clip of each video, and what else the method asks for."""

    query: Tensor
    """RGB (B, 3, T, H, W) from 0 to 1."""
    key: Tensor | None = None
    """A second clip of each video: RGB (B, 3, T, H, W) from 0 to 1."""
    query_flow: Tensor | None = None
    """(B, 2, T/2, H, W) in pixels, of every second frame."""
    key_flow: Tensor | None = None
    """(B, 2, T/2, H, W) in pixels, of every second frame."""
    flow_seconds: Tensor | None = None
    """(B,) the time that each video's flow fields span."""
    label: Tensor | None = None
    """(B,) int64: the class of each video."""


class Draws(NamedTuple):
    """The random choices of one batch."""

    order: Tensor
    """A permutation (B,) for the key encoders' batch statistics; over devices (B * processes,), the same on all."""
    angles: Tensor
    """One of the FRA angles (B,) for each clip, in radians."""
    generator: torch.Generator | None = None
    """On the CPU: of choices that can only be made when the features are there; None if the method makes none."""


def step_generator(seed: int, step: int, process: int | None = None) -> torch.Generator:
    """A generator on the CPU for the random choices of a step, a function of these numbers alone.

    Args:
        seed: of the run.
        step: its number, from 0.
        process: which of those that train together, from 0, that of one alone; None for keys' shuffle over devices.
    """
    state = torch.tensor([seed, step, -1 if process is None else process], dtype=torch.int64)
    mixed = (state * torch.tensor([6364136223846793005, 1442695040888963407, 3935559000370003845])).sum()
    return torch.Generator().manual_seed(int(mixed) & 0x7FFFFFFFFFFFFFFF)


def draw(
    count: int,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
    shared: torch.Generator | None = None,
    part: Part = WHOLE,
    own: torch.Generator | None = None,
) -> Draws:
    """The random choices of a batch, drawn on the CPU so that every device gets the same.

    Args:
        count: of its clips in this process.
        generator: of the choices for the whole batch, in the same state in all processes.
        device: of what is drawn.
        shared: for keys that are shuffled over devices: a generator in the same state on each.
        part: of the batch that this process has.
        own: of this process, for choices that are made when the features are there; None for ``generator``.
    """
    whole = count * part.count
    angles = part.of(torch.tensor(FRA_ANGLES)[torch.randint(len(FRA_ANGLES), (whole,), generator=generator)])
    order = torch.randperm(whole, generator=shared or generator)
    if shared is None:
        order = order[order // count == part.rank] - part.rank * count
    return Draws(order.to(device), angles.to(device), own or generator)


class Losses(NamedTuple):
    """What a method makes of a batch."""

    terms: dict[str, Tensor]
    """The weighted terms by name, whose sum is the loss."""
    facts: dict[str, Tensor]
    """What else is worth logging."""
    keys: dict[str, Tensor]
    """Keys (B, D) to enqueue after the step, by the name of their queue."""


class Method(nn.Module):
    """A method of training, as :class:`~kinema.training.module.TrainingModule` drives it.

    A method has :meth:`begin`, :meth:`trained_encoder` and :meth:`losses` of its own; the rest where it is otherwise.

    Attributes:
        encoder: what is trained.
        hierarchical: whether it trains a motion hierarchy in the encoder, as the settings under ``hcml`` say.
        with_flow: whether it looks at optical flow.
        with_key: whether it looks at a second clip of each video.
        momentum: of its momentum encoders at the start; None if it has none.
        shuffles_devices: whether keys are shuffled over the processes that train together.
        parts: in which encoders go through a batch, one after another, to save memory; whoever trains sets it. The
            losses are those of the whole batch, however many there are.
    """

    encoder: VideoEncoder
    hierarchical: ClassVar[bool] = False
    with_flow: bool = False
    with_key: bool = True
    momentum: float | None = None
    shuffles_devices: bool = False
    parts: int = 1

    @classmethod
    def begin(cls, config: PretrainConfig, encoder: VideoEncoder | None = None) -> Method:
        """The method as its training begins.

        Args:
            config: what :meth:`settings` gave; a method takes its own part. ``config.parameters`` are there for those
                that are not of kinema.
            encoder: to begin with, of the architecture in ``config``; None for an untrained one. Momentum encoders
                begin as its copies.

        Raises:
            ConfigError: a setting is out of range.
        """
        raise NotImplementedError

    @classmethod
    def settings(cls, config: PretrainConfig) -> PretrainConfig:
        """A run's settings as the method takes them."""
        return config

    @classmethod
    def check(cls, config: PretrainConfig) -> None:
        """Refuse what cannot work of the settings, as :meth:`settings` gave them, before any work is done.

        Raises:
            ConfigError: says which setting, and what it may be.
        """

    @classmethod
    def needs_flow(cls, config: PretrainConfig) -> bool:
        """Whether it will look at optical flow."""
        return cls.with_flow

    def trained_encoder(self) -> VideoEncoder:
        """The encoder that a run leaves: ``encoder``, unless a method has it elsewhere."""
        return self.encoder

    def losses(self, views: Views, draws: Draws, phase: Phase | None = None) -> Losses:
        """Every loss of one batch.

        Args:
            views: the batch.
            draws: its random choices.
            phase: whose losses count; None for all.

        Raises:
            ConfigError: a class has none of its own.
        """
        raise ConfigError(f"the method {type(self).__name__} has no losses of its own: write them")

    def pairs_from(self, plan: Plan) -> int:
        """The first step of a training that looks at more than query clips: at keys, and at flow if it does at all."""
        return 0

    def schedule(self, plan: Plan) -> ProgressiveSchedule | None:
        """The phases of a training; None if there is nothing but one."""
        return None

    def enter(self, phase: Phase) -> None:
        """Let learn what the phase lets learn."""

    def update_keys(self, momentum: float) -> None:
        """Move the momentum encoders towards the trained ones."""

    def enqueue(self, keys: dict[str, Tensor]) -> None:
        """Put keys (N, D) into their queues."""
