"""What ``--help`` and ``--help-all`` print: of a parser's options those that are common first, then all of them."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import shutil
import sys
import textwrap
import typing
from argparse import SUPPRESS, Action, ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from typing import Any

SCREEN = 23
"""Lines that a terminal shows of old, but for the one of the next prompt."""
WIDEST = 100
INDENT = 25
"""Columns from the left at which descriptions begin."""
NUMBERS = {"int": "N", "PositiveInt": "N", "NonNegativeInt": "N", "float": "X", "PositiveFloat": "X"}
NUMBERS["NonNegativeFloat"] = "X"


def help_text(
    name: str,
    summary: str,
    positionals: Sequence[Action],
    options: Mapping[str, Sequence[Action]],
    common: Sequence[str],
    defaults: Mapping[str, Any],
    *,
    full: bool,
) -> str:
    """The help of a command.

    Args:
        name: of the command.
        summary: what it does, in a sentence.
        positionals: its arguments without names.
        options: all its options, in groups by heading.
        common: names of those to begin with.
        defaults: by name.
        full: all options in full words; otherwise the common ones, in so many words as a screen takes.
    """
    width = min(shutil.get_terminal_size().columns, WIDEST)
    known = {action.dest: action for group in options.values() for action in group}
    chosen = [known[one] for one in common]
    needed = [f"{_option(one)} {_value(one)}" for one in chosen if one.required]
    usage = " ".join(["usage: kinema", name, *(one.dest.upper() for one in positionals), *needed, "[options]"])
    lines = [*textwrap.wrap(usage, width, subsequent_indent="       "), "", *textwrap.wrap(summary, width), ""]

    def rows(actions: Sequence[Action], brief: bool) -> list[str]:
        return [line for action in actions for line in _row(action, defaults, width, brief)]

    if not full:
        count = len(known) - len(chosen)
        more = f"kinema {name} --help-all lists {count} more options." if count else ""
        for brief in (False, True):
            shown = [*lines, *rows([*positionals, *chosen], brief), *(["", more] if more else [])]
            if len(shown) <= SCREEN:
                break
        return "\n".join(shown)
    lines += rows([*positionals, *chosen], False)
    for heading, group in options.items():
        rest = [action for action in group if action not in chosen]
        if rest:
            lines += ["", *textwrap.wrap(f"{heading}:", width), *rows(rest, False)]
    return "\n".join(lines)


def _row(action: Action, defaults: Mapping[str, Any], width: int, brief: bool) -> list[str]:
    left = f"  {_option(action)} {_value(action)}" if action.option_strings else f"  {action.dest.upper()}"
    text = " ".join((action.help or "").replace("``", "").split())
    text = text if text.endswith("...") else text.removesuffix(".")
    if brief:
        text = text.split(";")[0].split(". ")[0]
    choices = _choices(action)
    if choices and len(choices) > INDENT:
        text += f" ({choices[1:-1].replace(',', ', ')})"
    default = defaults.get(action.dest)
    if action.option_strings and action.required:
        text += " (required)"
    elif default is not None and default is not False and default != () and default != [] and action.nargs != 0:
        said = f"[{','.join(map(str, default))}]" if isinstance(default, tuple | list) else str(default)
        text += f" (default: {said.lower() if default is True else said})"
    lines = textwrap.wrap(text, width - INDENT)
    if brief and len(lines) > 1:
        lines = textwrap.wrap(text, width - INDENT, max_lines=2, placeholder=" ...")
    first = f"{left:{INDENT}}"
    if len(left) > INDENT - 2:
        return [left.rstrip(), *(" " * INDENT + line for line in lines)]
    return [(first + (lines[0] if lines else "")).rstrip(), *(" " * INDENT + line for line in lines[1:])]


def _option(action: Action) -> str:
    return action.option_strings[0].replace("_", "-") if action.option_strings else ""


def _value(action: Action) -> str:
    """What is to be written after an option's name."""
    if action.nargs == 0:
        return ""
    choices = _choices(action)
    if choices and len(choices) <= INDENT:
        return choices
    hints = [hint for hint in _alternatives(action) if hint is not type(None)]
    names = {NUMBERS.get(getattr(hint, "__name__", "")) for hint in hints}
    if len(names) == 1 and (number := names.pop()) is not None:
        return number
    if any(typing.get_origin(hint) in (tuple, list) for hint in hints):
        return "[A,B,...]"
    return action.dest.rpartition(".")[2].rstrip("_").rpartition("_")[2].upper()


def _choices(action: Action) -> str:
    for hint in _alternatives(action):
        if typing.get_origin(hint) is typing.Literal:
            return "{" + ",".join(map(str, typing.get_args(hint))) + "}"
        if hint is bool:
            return "{true,false}"
    return ""


def _alternatives(action: Action) -> list[Any]:
    hint = getattr(action, "_typehint", None)
    inner = typing.get_args(hint)
    return list(inner) if inner and typing.get_origin(hint) not in (typing.Literal, tuple, list, dict) else [hint]


def arguments(parser: ArgumentParser) -> tuple[list[Action], dict[str, list[Action]]]:
    """The arguments of a parser without names, and its options, in groups by heading."""
    groups = {str(group.title): group._group_actions for group in parser._action_groups}  # there is no public way
    options = {heading: [one for one in group if _listed(one)] for heading, group in groups.items()}
    positionals = [one for group in groups.values() for one in group if not one.option_strings]
    return positionals, {heading: group for heading, group in options.items() if group}


def _listed(action: Action) -> bool:
    """Whether an action is an option that a user would set by itself."""
    whole = ("_ActionConfigLoad", "_ActionHelpClassPath")
    return bool(action.option_strings) and action.help is not SUPPRESS and type(action).__name__ not in whole


def restore_docstrings(function: Callable[..., Any], *settings: type) -> None:
    """Bring back, from the source, the docstrings that ``python -OO`` takes away: they are the words of the help."""
    if sys.flags.optimize < 2:
        return
    todo: list[Any] = [function, *settings]
    while todo:
        thing = todo.pop()
        if dataclasses.is_dataclass(thing):
            hints = typing.get_type_hints(thing).values()
            todo += [hint for hint in hints if isinstance(hint, type) and dataclasses.is_dataclass(hint)]
            todo += [base for base in thing.__bases__ if dataclasses.is_dataclass(base)]  # type: ignore[union-attr]
        node = ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]
        assert isinstance(node, ast.FunctionDef | ast.ClassDef)
        thing.__doc__ = ast.get_docstring(node)
