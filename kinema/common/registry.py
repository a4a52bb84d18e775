"""Things by name: kinema's own, what a program registers, and what other packages offer as entry points.

Packages are asked for what they offer when a name is looked for that is not there, or all names are; and a package's
code is run when its thing is asked for, and not before. One that is broken is in nobody's way.
"""

from __future__ import annotations

import difflib
import inspect
import re
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from kinema.errors import ConfigError, first_line

Thing = TypeVar("Thing")
Given = TypeVar("Given")
NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")


class Registry(Generic[Thing]):
    """Things of one kind by name.

    Args:
        what: one of them is called, such as ``flow estimator``.
        group: of the entry points by which packages offer theirs, such as ``kinema.estimators``.
        own: kinema's.
        base: what they are: a class that they derive from.
        made: they may also be functions that make one.
    """

    def __init__(self, what: str, group: str, own: Mapping[str, Thing], base: type, made: bool = False):
        self.what, self.group = what, group
        self._own, self._registered = dict(own), dict[str, Thing]()
        self._base, self._made = base, made

    def register(self, name: str) -> Callable[[Given], Given]:
        """A decorator for what is known by a name from now on, in this process.

        Raises:
            ConfigError: the name is another's, or none; or the thing is of another kind.
        """

        def add(thing: Given) -> Given:
            if not NAME.fullmatch(name):
                raise ConfigError(
                    f"{name!r} is no name for a {self.what}: begin with a letter or digit, go on with those or . + - _"
                )
            packages = {entry.module.partition(".")[0] for entry in self._offered().get(name, [])}
            others = packages - {getattr(thing, "__module__", "").partition(".")[0]}
            known = self._registered.get(name, thing)  # a cell of a notebook is run again and again
            if name in self._own or others or _home(known) != _home(thing):
                raise ConfigError(f"there is a {self.what} {name!r} already: choose another name")
            self._registered[name] = self._fitting(name, thing)
            return thing

        return add

    def is_own(self, name: str) -> bool:
        """Whether a thing of that name is kinema's."""
        return name in self._own

    def names(self) -> list[str]:
        """All names: kinema's own first, then those of others in order."""
        return [*self._own, *sorted({*self._registered, *self._offered()})]

    def get(self, name: str) -> Thing:
        """The thing of a name; a package that offers it is imported.

        Raises:
            ConfigError: there is none, several packages offer one, or the package that does is broken.
        """
        for known in (self._own, self._registered):
            if name in known:
                return known[name]
        offered = self._offered().get(name)
        if offered is None:
            near = difflib.get_close_matches(name.lower(), self.names())
            advice = f"did you mean {' or '.join(near)}?" if near else f"choose one of {', '.join(self.names())}"
            raise ConfigError(f"unknown {self.what} {name!r}: {advice}")
        packages = " and ".join(sorted(map(_package, offered)))
        if len(offered) > 1:
            raise ConfigError(f"{packages} both offer a {self.what} {name!r}: uninstall all but one")
        try:
            thing = offered[0].load()
        except (Exception, SystemExit) as error:  # it is not ours
            raise ConfigError(
                f"the {self.what} {name!r} of the package {packages} cannot be loaded ({type(error).__name__}: "
                f"{first_line(error)}); mend, update or uninstall {packages}"
            ) from error
        return self._registered.setdefault(name, self._fitting(name, thing, f" of the package {packages}"))

    def offers(self) -> dict[str, str]:
        """What packages offer: the package by name; nothing of theirs is run."""
        return {name: " and ".join(sorted(map(_package, found))) for name, found in sorted(self._offered().items())}

    def _offered(self) -> dict[str, list[EntryPoint]]:
        found: dict[str, list[EntryPoint]] = {}
        for entry in entry_points(group=self.group):
            if entry.name in self._own or not NAME.fullmatch(entry.name):
                warnings.warn(
                    f"the {self.what} {entry.name!r} of the package {_package(entry)} is passed over: "
                    + (f"kinema has a {self.what} of that name" if entry.name in self._own else "that is no name"),
                    stacklevel=2,
                )
            elif entry.value not in [other.value for other in found.get(entry.name, [])]:
                found.setdefault(entry.name, []).append(entry)
        return found

    def _fitting(self, name: str, thing: Any, of: str = "") -> Thing:
        """The thing, if it is of the right kind."""
        kinds = inspect.isclass(thing) and issubclass(thing, self._base)
        if kinds or (self._made and callable(thing) and not inspect.isclass(thing)):
            return thing
        base = f"{self._base.__module__}.{self._base.__qualname__}"
        otherwise = ", or a function that gives one" if self._made else ""
        raise ConfigError(
            f"the {self.what} {name!r}{of} is {thing!r}: it must be a class derived from {base}{otherwise}"
        )


def _home(thing: Any) -> str:
    """Where a thing is defined: its module and its name in it."""
    return f"{getattr(thing, '__module__', '')}:{getattr(thing, '__qualname__', '')}"


def _package(entry: EntryPoint) -> str:
    name = None if entry.dist is None else entry.dist.name  # None, too, where what an installer wrote is damaged
    return name or entry.value
