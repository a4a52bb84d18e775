"""Each option of the command line is declared in one place."""

from __future__ import annotations

import dataclasses
import inspect
from collections import defaultdict

import docstring_parser

from kinema.commands import COMMANDS


def declared() -> dict[tuple[str, str, str], set[str]]:
    """By name, words and default of an option: the functions and dataclasses that have it themselves."""
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for command in COMMANDS.values():
        function = command.function
        words = {one.arg_name: one.description for one in docstring_parser.parse_from_object(function).params}
        for name, one in inspect.signature(function, eval_str=True).parameters.items():
            if not dataclasses.is_dataclass(one.annotation):
                found[name, " ".join(words[name].split()), repr(one.default)].add(function.__name__)
                continue
            for kind in one.annotation.__mro__:
                said = docstring_parser.parse(inspect.cleandoc(vars(kind).get("__doc__") or "")).params
                own = {part.arg_name: " ".join(part.description.split()) for part in said}
                for field in own.keys() & vars(kind).get("__annotations__", {}).keys():
                    found[field, own[field], repr(getattr(kind, field, ""))].add(kind.__qualname__)
    return found


def test_an_option_that_has_a_default_is_declared_once():
    found = declared()
    assert found["batch_size", "windows per forward pass.", "64"] == {"EmbeddingConfig"}
    given = {what: where for what, where in found.items() if what[2] not in ("None", "False", str(inspect._empty))}
    assert len(given) > 70
    assert not {what: where for what, where in given.items() if len(where) > 1}
