"""Encoders that a function of the user's makes."""

from __future__ import annotations

import dataclasses
import difflib
import json
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from kinema.config import ClipConfig, from_plain
from kinema.errors import ConfigError, first_line

PREFIXES = ("torchvision", "hf")
"""What else stands before a colon where an encoder is named."""


def open_function(spec: str) -> tuple[nn.Module, dict[str, Any], ClipConfig]:
    """What ``module:function`` makes.

    Args:
        spec: a module on Python's path or in the current folder, and a function in it that takes nothing.

    Returns:
        The module from clips to features, its card, and its clips: what its attributes ``card`` and ``clip`` say.

    Raises:
        ConfigError: there is no such function, it failed, or what it gave is no module with a clip of sense.
    """
    folder = str(Path.cwd())
    sys.path.append(folder)
    try:
        make = find_function(
            spec, "a module on PYTHONPATH or in this folder", "one that takes nothing and gives a module"
        )
        try:
            module = make()
        except Exception as error:  # it is not ours
            raise ConfigError(f"{spec}() failed with {type(error).__name__} ({first_line(error)}); mend it") from error
    finally:
        sys.path.remove(folder)
    if not isinstance(module, nn.Module):
        raise ConfigError(f"{spec}() gave a {type(module).__name__}; let it give a torch.nn.Module")
    return module, _card(getattr(module, "card", {}), spec), _clip(getattr(module, "clip", ClipConfig()), spec)


def find_function(spec: str, where: str, which: str) -> Callable[..., Any]:
    """The function that ``module:function`` names.

    Args:
        spec: the two names.
        where: which modules can be named, for an error's advice.
        which: functions can be named, likewise.

    Raises:
        ConfigError: there is none.
    """
    place, name = spec.split(":")
    try:
        home = import_module(place)
    except (Exception, SystemExit) as error:  # it is not ours
        near = difflib.get_close_matches(place, PREFIXES)
        advice = f"did you mean {near[0]}:{name}?" if near else f"name {where}"
        raise ConfigError(f"{spec} cannot be imported ({first_line(error)}): {advice}") from error
    found = getattr(home, name, None)
    if not callable(found):
        near = difflib.get_close_matches(name, [known for known, value in vars(home).items() if callable(value)])
        advice = f"did you mean {' or '.join(near)}?" if near else f"name {which}"
        raise ConfigError(f"{home.__file__} has no function {name!r}: {advice}")
    return found


def _card(said: Any, spec: str) -> dict[str, Any]:
    try:
        card = json.loads(json.dumps(said))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the card of {spec} cannot be written to a result ({error}); use plain values") from error
    if not isinstance(card, dict):
        raise ConfigError(f"the card of {spec} is a {type(said).__name__}; let it give plain values by name")
    return card


def _clip(said: ClipConfig | Mapping[str, Any], spec: str) -> ClipConfig:
    if isinstance(said, ClipConfig):
        return said
    try:
        return from_plain(ClipConfig, said)
    except (AttributeError, TypeError) as error:
        known = ", ".join(field.name for field in dataclasses.fields(ClipConfig))
        raise ConfigError(f"the clip of {spec} makes no sense ({error}); it may say {known}") from error
