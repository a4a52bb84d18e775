"""Networks of others as backbones: their stages are what some of their submodules give, brought to maps over time and
place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from kinema.errors import ConfigError
from kinema.models.backbone import AfterStage, Backbone

Taps = Mapping[nn.Module, Callable[[Any], Any]]
"""By module, from its output to what the network goes on with."""

_PASSES: ContextVar[tuple[Taps, ...]] = ContextVar("passes", default=())
"""Of this thread, the outermost first: networks with taps may be inside one another."""


def _tap(module: nn.Module, _args: Any, output: Any) -> Any:
    for taps in _PASSES.get():
        if module in taps:
            output = taps[module](output)
    return output


def add_tap(module: nn.Module) -> None:
    """Put a forward hook on a module, unless it has it: it acts within :func:`tapped` alone.

    It is there for good and knows nothing of a pass, so that threads may share the module, and copies of it work.
    """
    if _tap not in module._forward_hooks.values():
        module.register_forward_hook(_tap)


@contextmanager
def tapped(taps: Taps) -> Iterator[None]:
    """Within the block, and in this thread alone, modules with a tap give what ``taps`` make of their outputs."""
    token = _PASSES.set((*_PASSES.get(), taps))
    try:
        yield
    finally:
        _PASSES.reset(token)


class Layout(NamedTuple):
    """How the stages of a network lie in memory.

    Attributes:
        frames: the network looks at single frames, (B * T, C, H, W); otherwise at clips, (B, C, T, H, W).
        last: channels come last in maps. In what has three axes, tokens, they always do.
        patch: frames, rows and columns of a token.
        before: tokens before those of places.
        time_inside: the tokens of a place follow one another in time, before those of the next place.
    """

    frames: bool = False
    last: bool = False
    patch: tuple[int, int, int] = (1, 1, 1)
    before: int = 0
    time_inside: bool = False

    def to_map(self, output: Tensor, clips: torch.Size) -> Tensor:
        """What a submodule gives, of clips of that shape -> (B, C, T', H', W')."""
        if output.ndim == 3:
            output = self._places(output[:, self.before :], clips)
        elif not self.last:
            return output.unflatten(0, (clips[0], -1)).transpose(1, 2) if self.frames else output
        elif self.frames:
            output = output.unflatten(0, (clips[0], -1))
        return output.permute(0, 4, 1, 2, 3)

    def _places(self, tokens: Tensor, clips: torch.Size) -> Tensor:
        """(B, N, C), or (B * T, N, C) -> (B, T', H', W', C)."""
        time, height, width = (side // part for side, part in zip(clips[2:], self.patch, strict=True))
        if self.frames:
            return tokens.unflatten(1, (height, width)).unflatten(0, (clips[0], -1))
        if self.time_inside:
            return tokens.unflatten(1, (height, width, time)).permute(0, 3, 1, 2, 4)
        return tokens.unflatten(1, (time, height, width))

    def from_map(self, x: Tensor, output: Tensor) -> Tensor:
        """The way back: a map in place of ``output``."""
        if output.ndim != 3 and not self.last:
            return x.transpose(1, 2).flatten(0, 1) if self.frames else x
        x = x.permute(0, 2, 3, 4, 1)
        if output.ndim != 3:
            return x.flatten(0, 1) if self.frames else x
        if self.frames:
            tokens = x.flatten(0, 1).flatten(1, 2)
        else:
            tokens = (x.permute(0, 2, 3, 1, 4) if self.time_inside else x).flatten(1, 3)
        return torch.cat((output[:, : self.before], tokens), dim=1)


class Adapted(Backbone):
    """A network of others as a backbone.

    All of it is run, whichever stages are wanted.

    Args:
        name: what sentences call it.
        network: the network.
        run: what is called with clips, or frames, as the layout says.
        stages: channels of each stage by the path of its submodule, from low to high.
        layout: how they lie.
        clip: frames, height and width that it is made for; 0 for any.
        classes: outputs of its classification layer; None for an encoder without one.
    """

    def __init__(
        self,
        name: str,
        network: nn.Module,
        run: Callable[[nn.Module, Tensor], Any],
        stages: Mapping[str, int],
        layout: Layout,
        clip: tuple[int, int, int] = (0, 0, 0),
        classes: int | None = None,
    ):
        super().__init__()
        self.name, self.network, self.run, self.layout, self.clip = name, network, run, layout, clip
        self.chain = tuple(f"network.{path}" for path in stages)
        self.stage_modules = {f"stage{number}": path for number, path in enumerate(self.chain, start=1)}
        self.stage_widths = dict(zip(self.stage_modules, stages.values(), strict=True))
        self.fc = None if classes is None else nn.Linear(self.features, classes)
        for path in self.chain:
            add_tap(self.get_submodule(path))

    def stages(self, x: Tensor, upto: str | None = None, after: AfterStage | None = None) -> dict[str, Tensor]:
        """As of :class:`Backbone`.

        Raises:
            ConfigError: the network cannot take such clips, or its stages are not what they were said to be.
        """
        sides = "x".join(map(str, x.shape[2:]))
        if any(made and made != side for made, side in zip(self.clip, x.shape[2:], strict=True)):
            made = "x".join(str(side or "any") for side in self.clip)
            raise ConfigError(
                f"{self.name} is made for clips of {made} (frames x height x width), not {sides}: choose such clips, "
                "or say others in model.parameters"
            )
        found: dict[str, Tensor] = {}

        def take(name: str, output: Any) -> Any:
            value = output[0] if isinstance(output, tuple) else output
            stage = self.layout.to_map(value, x.shape)
            if stage.shape[1] != self.stage_widths[name]:
                raise ConfigError(f"{self.name} has stages that kinema cannot read: {name} gave {tuple(value.shape)}")
            if after is not None:
                stage = after(self.stage_modules[name], stage)
                value = self.layout.from_map(stage, value)
            found[name] = stage
            return (value, *output[1:]) if isinstance(output, tuple) else value

        taps = {self.get_submodule(path): partial(take, name) for name, path in self.stage_modules.items()}
        with tapped(taps):
            try:
                self.run(self.network, x.transpose(1, 2).flatten(0, 1) if self.layout.frames else x)
            except (AssertionError, IndexError, RuntimeError, ValueError) as error:  # it is not ours
                if isinstance(error, torch.OutOfMemoryError):
                    raise
                said = (str(error).splitlines() or ["no words"])[0]
                raise ConfigError(f"{self.name} failed on clips of {sides} ({type(error).__name__}: {said})") from error
        return {name: found[name] for name in self.stage_modules}
