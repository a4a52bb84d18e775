"""Packages whose names load on first use, so that ``import kinema`` and ``kinema --help`` stay quick."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from kinema.common.extras import needed_for


def load_on_use(
    package: str, homes: Mapping[str, Sequence[str]], modules: Sequence[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """What a package takes for its ``__getattr__`` and ``__dir__``.

    Args:
        package: its ``__name__``.
        homes: the names that its modules give, by module.
        modules: those of its modules that are names themselves.
    """
    found = {name: home for home, names in homes.items() for name in names}

    def get(name: str) -> Any:
        if name in modules:
            return import_module(f"{package}.{name}")
        if name not in found:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with needed_for(package):
            return getattr(import_module(f"{package}.{found[name]}"), name)

    def names() -> list[str]:
        return sorted([*found, *modules])

    return get, names
