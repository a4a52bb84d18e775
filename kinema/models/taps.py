"""Changing what submodules of others' networks give, for one pass in one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from torch import nn

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
