"""The motion hierarchy of HCML inside a backbone: motion features of several levels, fused with its own.

Level 0 is the prime motion, on the output of the backbone's first stage. Level l sits on stage l: a light block turns
the stage's features, their change since the step before and the level below into motion features z^l. A 1x1x1
convolution that starts at zero adds them to the stage's output, so that a network behaves as before until it has
learned. What the levels learn from is in ``kinema/methods/hcml.py``; after training only this file's path remains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kinema.config import HCMLConfig
from kinema.errors import ConfigError, refuse
from kinema.models.adapted import add_tap, tapped
from kinema.models.backbone import Backbone, average_to
from kinema.models.prime_motion import PrimeMotion


@dataclass
class MotionFeatures:
    """The motion features of one pass through the network; a pass that is given it fills it anew.

    Attributes:
        levels: z^l (B, C_l, T_l, H_l, W_l) by level; 0 is the prime motion.
    """

    levels: dict[int, Tensor] = field(default_factory=dict)


class MotionLevel(nn.Module):
    """M_l: the features of a stage to motion features z^l.

    Args:
        channels: of the stage.
        width: of z^l.
        below: channels of z^(l-1) where the block sees it, or 0.
    """

    def __init__(self, channels: int, width: int, below: int = 0):
        super().__init__()
        self.width = width
        self.reduce = nn.Sequential(
            nn.Conv3d(channels, width, 1, bias=False), nn.BatchNorm3d(width), nn.ReLU(inplace=True)
        )
        self.encode = nn.Sequential(
            nn.Conv3d(2 * width + below, width, (1, 3, 3), padding=(0, 1, 1), bias=False), nn.BatchNorm3d(width)
        )

    def forward(self, x: Tensor, below: Tensor | None = None) -> Tensor:
        """Features (B, C, T, H, W) and z^(l-1) on a grid of its own -> z^l (B, width, T, H, W).

        The change looks back and not ahead, since ahead is what z^l has to predict; the first step has none.
        """
        x = self.reduce(x)
        parts = [x, torch.cat((torch.zeros_like(x[:, :, :1]), x.diff(dim=2)), dim=2)]
        if below is not None:
            parts.append(average_to(below, x.shape[2:]))
        return self.encode(torch.cat(parts, dim=1))


class WithMotion(nn.Module):
    """A network together with its motion hierarchy; made by :func:`add_motion_hierarchy`.

    It is called like the network itself, by any number of threads at once: what a pass makes is handed along and never
    kept. ``backbone`` stays the plain network, with its own names in the state dict. Backbones of this package hand
    over the outputs of their stages themselves; others' have a hook on each, put there once, that acts within a pass
    alone.
    """

    def __init__(self, backbone: nn.Module, config: HCMLConfig, stages: Mapping[str, int]):
        super().__init__()
        self.backbone = backbone
        self.config = config
        self.paths = tuple(stages)[: max(1, config.levels)]
        self.channels = {path: stages[path] for path in self.paths}
        widths = list(self.channels.values())
        self.prime: PrimeMotion | None = None
        if config.prime:
            self.prime = PrimeMotion(widths[0], config.reduction, config.radius, config.dilation, config.pool)
        self.levels = nn.ModuleDict()
        self.motion_widths = {} if self.prime is None else {0: self.prime.width}
        for level, channels in enumerate(widths[: config.levels], start=1):
            self.motion_widths[level] = max(1, channels // config.reduction)
            below = self.motion_widths.get(level - 1, 0) if config.chain else 0
            self.levels[str(level)] = MotionLevel(channels, self.motion_widths[level], below)
        self.fusions = nn.ModuleDict()
        for level, width in self.motion_widths.items() if config.fusion else ():
            fusion = nn.Conv3d(width, widths[max(level, 1) - 1], 1, bias=False)
            nn.init.zeros_(fusion.weight)
            self.fusions[str(level)] = fusion
        self.hands_over = isinstance(backbone, Backbone) and set(self.paths) <= set(backbone.stage_modules.values())
        if not self.hands_over:
            for path in self.paths:
                add_tap(backbone.get_submodule(path))

    @property
    def stage_widths(self) -> dict[str, int]:
        """The backbone's own."""
        return self.backbone.stage_widths  # type: ignore[return-value]

    @property
    def stage_modules(self) -> dict[str, str]:
        """The backbone's own, as paths below this module."""
        paths: dict[str, str] = self.backbone.stage_modules  # type: ignore[assignment]
        return {name: f"backbone.{path}" for name, path in paths.items()}

    @property
    def features(self) -> int:
        """The backbone's own."""
        return self.backbone.features  # type: ignore[return-value]

    def forward(self, clips: Tensor, motion: MotionFeatures | None = None) -> Any:
        """What the backbone makes of clips (B, C, T, H, W), with motion in it.

        Args:
            clips: what the backbone takes.
            motion: where to put the motion features of this pass, which are the caller's; None if nobody wants them.

        Raises:
            ConfigError: the clip is too short or too small for the hierarchy, or a stage is not what was said of it.
        """
        return self._run(self.backbone, clips, (), motion)

    def stages(self, clips: Tensor, upto: str | None = None, motion: MotionFeatures | None = None) -> dict[str, Tensor]:
        """The outputs of the backbone's stages by name, with motion in them; otherwise as :meth:`forward`.

        Nothing above the stage ``upto`` is computed, unless that is None.
        """
        part = () if upto is None else (upto,)  # a network of others may give all of its stages or none
        return self._run(self.backbone.stages, clips, part, motion)  # type: ignore[arg-type]

    def head(self, last: Tensor) -> Tensor:
        """The backbone's own, of its last stage."""
        return self.backbone.head(last)  # type: ignore[operator]

    def _run(
        self, network: Callable[..., Any], clips: Tensor, part: tuple[str, ...], motion: MotionFeatures | None
    ) -> Any:
        if not self.config.fusion and motion is None:
            return network(clips, *part)  # nobody asks for motion
        found: dict[int, Tensor] = {} if motion is None else motion.levels
        found.clear()
        after = partial(self._after_stage, batch=clips.shape[0], found=found)
        if self.hands_over:
            result = network(clips, *part, after=after)
        else:
            with tapped({self.backbone.get_submodule(path): partial(after, path) for path in self.paths}):
                result = network(clips, *part)
        missing = [self.paths[max(level, 1) - 1] for level in self.motion_widths if level not in found]
        if missing and not part:
            raise ConfigError(f"the network did not run its stage {missing[0]!r}: choose stages that every clip passes")
        return result

    def _after_stage(self, path: str, output: Any, *, batch: int, found: dict[int, Tensor]) -> Any:
        """Motion features of a stage's output go to ``found``; the output with motion in it."""
        if path not in self.channels:
            return output
        stage = self.paths.index(path) + 1
        x = self._as_clips(output, path, batch)
        new = []
        if stage == 1 and self.prime is not None:
            if x.shape[2] < 2:
                raise ConfigError(
                    f"the prime motion needs two steps of the stage {path!r} and got one: take longer clips"
                )
            found[0] = self.prime(x)
            new.append(0)
        if str(stage) in self.levels:
            found[stage] = self.levels[str(stage)](x, found.get(stage - 1) if self.config.chain else None)
            new.append(stage)
        if not self.config.fusion:
            return output
        for level in new:
            motion = self.fusions[str(level)](found[level])
            if motion.shape[2:] != x.shape[2:]:  # the prime motion's grid may be coarser
                motion = F.interpolate(motion, x.shape[2:], mode="nearest")
            x = x + motion.to(x.dtype)
        return x if output.ndim == 5 else x.transpose(1, 2).flatten(0, 1)

    def _as_clips(self, output: Any, path: str, batch: int) -> Tensor:
        """(B, C, T, H, W) of a stage's output, which a per-frame network may give as (B * T, C, H, W)."""
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[0] % batch == 0:
            output = output.unflatten(0, (batch, -1)).transpose(1, 2)
        if not isinstance(output, Tensor) or output.ndim != 5 or output.shape[1] != self.channels[path]:
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ConfigError(
                f"the stage {path!r} gave {shape}: choose stages that give (B, C, T, H, W) or (B * T, C, H, W), with "
                f"the {self.channels[path]} channels that were said"
            )
        return output


def add_motion_hierarchy(
    backbone: nn.Module, config: HCMLConfig | None = None, stages: Mapping[str, int] | None = None
) -> WithMotion:
    """Put a motion hierarchy into a network, which computes exactly what it did until the hierarchy has learned.

    Args:
        backbone: any network over clips (B, C, T, H, W) with stages that are submodules and give (B, C, T, H, W), or
            (B * T, C, H, W) in networks that look at single frames.
        config: the hierarchy; None for its defaults.
        stages: channels of the stages' outputs by the path of their submodule, in the order in which they run; None for
            a backbone of this package, which names them itself.

    Raises:
        ConfigError: the network has no such stages, or fewer than the hierarchy has levels; a setting is out of range.
    """
    config = config or HCMLConfig()
    name = type(backbone).__name__
    if stages is None:
        try:
            widths: dict[str, int] = backbone.stage_widths  # type: ignore[assignment]
            modules: dict[str, str] = backbone.stage_modules  # type: ignore[assignment]
        except AttributeError:
            raise ConfigError(
                f"{name} does not name its stages: pass stages={{'path.of.a.submodule': channels, ...}}"
            ) from None
        stages = {modules[stage]: width for stage, width in widths.items()}
    known = dict(backbone.named_modules())
    missing = [path for path in stages if path not in known]
    checks = {
        f"{name} has no submodule {missing[0] if missing else ''!r}: name stages as named_modules() does": not missing,
        f"hcml.levels is {config.levels}, but {name} has {len(stages)} stages: choose a number from 0 to that": (
            0 <= config.levels <= len(stages) and len(stages) > 0
        ),
        "hcml.levels must be above 0 where hcml.prime is off, or nothing is left": config.prime or config.levels > 0,
        "hcml.reduction and hcml.pool must be at least 1": min(config.reduction, config.pool) >= 1,
    }
    refuse(checks)
    return WithMotion(backbone, config, stages)
