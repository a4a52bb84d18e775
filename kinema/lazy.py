"""Packages whose names load on first use, so that ``import kinema`` and ``kinema --help`` stay quick."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def load_on_use(
    package: str, homes: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """What a package takes for its ``__getattr__`` and ``__dir__``.

    Args:
        package: its ``__name__``.
        homes: the names that its modules give, by module.
    """
    found = {name: home for home, names in homes.items() for name in names}

    def get(name: str) -> Any:
        if name not in found:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{found[name]}"), name)

    def names() -> list[str]:
        return sorted(found)

    return get, names
