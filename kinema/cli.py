"""The command line: parse, call one function, print where the results are.

Nothing heavy is imported before a command is chosen, so that ``kinema --help`` answers at once.
"""

from __future__ import annotations

import argparse
import dataclasses
import glob
import inspect
import json
import re
import sys
from argparse import ArgumentError
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import docstring_parser
from jsonargparse import ActionConfigFile, ArgumentParser, Namespace

from kinema import __version__
from kinema.commands import COMMANDS, Command
from kinema.commands.help import arguments, help_text, restore_docstrings
from kinema.commands.usage_errors import in_words_of_the_user, refuse_empty, refuse_nowhere
from kinema.common.extras import needed_for
from kinema.common.streams import in_one_line, open_streams, silence
from kinema.config import LENGTHS
from kinema.errors import ConfigError, KinemaError, without_middle, words_of
from kinema.presets import DEFAULT_PRESET, JOBS, Job, preset_path

SWITCHES = (
    "resume",
    "partial",
    "private",
    "dry_run",
    "record",
    "own",
    "from_checkpoint",
    "json",
    "windows",
    "bouts",
    "clips",
)
"""Parameters of commands that are given without a value, where they are true or false."""
USUAL = {"jitter": 8, "shaken": 0.3}
"""What options are that may be given without a value, if they are."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status.

    0 if all went well, 1 if it failed, 2 for a wrong call, 130 if stopped, 141 if nobody reads on.
    """
    open_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = _command(words)
    try:
        status = _answer(name, words)
        sys.stdout.flush()  # while an error can still be told
        return status
    except BrokenPipeError:  # as of `kinema ... | head`
        for stream in (sys.stdout, sys.stderr):
            silence(stream)
        return 141
    except OSError as error:
        silence(sys.stdout)
        where = f" {error.filename}" if error.filename else ", or what the output is sent to"
        return _fail(name, f"cannot read or write a file{where}: {error.strerror or error}", 1)


def _answer(name: str | None, words: list[str]) -> int:
    """Do what is asked for, and return the exit status."""
    if name is None and words == ["--version"]:
        print(f"kinema {__version__}")
        return 0
    if name is None:
        return _overview(words)
    try:
        with needed_for("it"):
            _run(COMMANDS[name], name, words)
    except ArgumentError as error:
        return _fail(name, f"{_complaint(name, error)}; see kinema {name} --help", 2)
    except KinemaError as error:
        return error.status if error.said else _fail(name, str(error), error.status)
    except KeyboardInterrupt:
        return _fail(name, "stopped", 130)
    return 0


def _complaint(name: str, error: ArgumentError) -> str:
    positionals = COMMANDS[name].positionals
    keys = [action.dest.rstrip("_") for action in _parser(COMMANDS[name], name)._actions]
    options = [key.replace("_", "-") for key in keys if key not in positionals]
    return in_words_of_the_user(words_of(error), positionals, options)


def _fail(name: str | None, sentence: str, status: int) -> int:
    with suppress(OSError):
        print(
            f"kinema {name or ''}".strip() + f": {in_one_line(without_middle(sentence))}", file=sys.stderr, flush=True
        )
    return status


def _command(words: list[str]) -> str | None:
    """Take the name of a command, of one word or two, from the front of ``words``; None if there is none."""
    for count in (2, 1):
        name = " ".join(words[:count])
        if name in COMMANDS:
            del words[:count]
            return name
    return None


def _overview(words: list[str]) -> int:
    """Print the commands, or those of the group that was named, and return the exit status."""
    group = words[0] + " " if words and any(name.startswith(words[0] + " ") for name in COMMANDS) else ""
    lines = [f"  {name:18}{command.summary}" for name, command in COMMANDS.items() if name.startswith(group)]
    usage = [f"usage: kinema {group}COMMAND [options]", "", *lines, "", "kinema COMMAND --help lists its options."]
    rest = words[1:] if group else words
    asked = not rest or rest[0] in ("--help", "-h")
    complaint = [] if asked else [f"kinema: there is no command {group + rest[0]!r}"]
    called = bool(rest) and asked
    print(*complaint, *usage, sep="\n", file=sys.stdout if called else sys.stderr)
    return 0 if called else 2


def _run(command: Command, name: str, words: list[str]) -> None:
    words = [re.sub(r"^--[\w.-]+", lambda option: "--" + option[0][2:].replace("-", "_"), word) for word in words]
    parser = _parser(command, name)
    kinds = _configs(command)
    preset = _preset(words)
    job = next((JOBS[kind] for kind in kinds.values() if kind in JOBS), None)
    if asked := {"-h", "--help", "--help_all"}.intersection(words):
        print(_help(parser, command, name, preset, job, full="--help_all" in asked))
        return
    refuse_empty(words)
    refuse_nowhere()
    parsed = _parse(parser, words, preset, job)
    if job is not None:
        parsed = _settled(parser, words, parsed, preset, job)
    settings = {key: _plain(value) for key, value in vars(parser.instantiate(parsed)).items()}
    settings.pop("config")
    made = {
        name: kind(**{field.name: settings.pop(field.name) for field in dataclasses.fields(kind)})
        for name, kind in kinds.items()
    }
    command.function(**settings, **made)


def _settled(parser: ArgumentParser, words: list[str], parsed: Namespace, preset: str, job: Job) -> Namespace:
    """The user's words with all that lies beneath them: what the weights to begin with say, on what the preset says."""
    weights = parsed.get("weights") if job == "pretrain" else None
    beneath: dict[str, Any] = {}
    if weights is not None and parsed.preset is None:
        from kinema.jobs.adapting import adapting

        beneath = adapting(weights)
    if "preset" in parsed:  # which a file of settings may name
        beneath["preset"] = beneath.get("preset") or parsed.preset or preset
        parsed = _parse(parser, ["--config", json.dumps(beneath), *words], beneath["preset"], job)
    if all(parsed.get(name) is not None for name in LENGTHS):
        beneath |= dict.fromkeys(LENGTHS)  # the user's takes the place of the other
    if weights is not None:
        from kinema.methods.beginning import motion_by, settings_of

        beneath |= settings_of(weights, motion_by(parsed.method))
    return parser.parse_args(["--config", json.dumps(beneath), *words])


def _help(parser: ArgumentParser, command: Command, name: str, preset: str, job: Job | None, *, full: bool) -> str:
    if job is not None:
        parser.default_config_files = [glob.escape(str(preset_path(preset, job)))]
    own = [option for option in inspect.signature(command.function).parameters if option not in _configs(command)]
    return help_text(
        name,
        command.summary,
        *arguments(parser),
        command.common or [option for option in own if option not in command.positionals],
        vars(parser.get_defaults().as_flat()),
        full=full,
    )


def _plain(value: Any) -> Any:
    """Numbers of the parser's restricted kinds as plain ones, which other processes and checkpoints take."""
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    if isinstance(value, bool):
        return value
    return next((kind(value) for kind in (int, float) if isinstance(value, kind)), value)


def _configs(command: Command) -> dict[str, type]:
    """Those parameters of the command that are dataclasses, whose fields are options beside its other parameters."""
    hints = {
        name: one.annotation for name, one in inspect.signature(command.function, eval_str=True).parameters.items()
    }
    return {name: hint for name, hint in hints.items() if isinstance(hint, type) and dataclasses.is_dataclass(hint)}


def _preset(words: list[str]) -> str:
    reader = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    reader.add_argument("--preset", default=DEFAULT_PRESET)
    return reader.parse_known_args(words)[0].preset


def _parse(parser: ArgumentParser, words: list[str], preset: str, job: Job | None) -> Namespace:
    """Read options and files of settings; what a job's preset says is the default beneath them, in ``--help`` too."""
    if job is not None:
        parser.default_config_files = [glob.escape(str(preset_path(preset, job)))]
    try:
        return parser.parse_args(words)
    except UnicodeDecodeError as error:
        raise ConfigError(f"--config names a file that is not text in UTF-8 ({error}); write it as YAML") from error
    except OverflowError as error:  # of whole numbers that are to be decimal ones
        raise ConfigError(f"a setting is a number of too many digits ({error}); write a smaller one") from error


def _parser(command: Command, name: str) -> ArgumentParser:
    parser = ArgumentParser(prog=f"kinema {name}", add_help=False, allow_abbrev=False, exit_on_error=False)
    kinds = _configs(command)
    restore_docstrings(command.function, *kinds.values())
    parser.add_argument("--config", action=ActionConfigFile, help="YAML file of settings; options after it go on top")
    parameters = inspect.signature(command.function, eval_str=True).parameters
    help_texts = {
        param.arg_name: param.description for param in docstring_parser.parse_from_object(command.function).params
    }
    switches = [name for name in SWITCHES if name in parameters and parameters[name].annotation is bool]
    keywords = [name for name in parameters if name.endswith("_")]  # named by a word that Python keeps for itself
    by_hand: set[str | int] = {*command.positionals, *switches, *keywords, *kinds}
    for name in command.positionals:
        parameter = parameters[name]
        optional = {} if parameter.default is parameter.empty else {"nargs": "?", "default": parameter.default}
        parser.add_argument(name, type=parameter.annotation, help=help_texts[name], **optional)
    for name in switches:
        parser.add_argument(f"--{name}", action="store_true", help=help_texts[name])
    for name in keywords:
        kind = parameters[name].annotation
        parser.add_argument(f"--{name[:-1]}", dest=name, type=kind, default=None, help=help_texts[name])
    parser.add_function_arguments(command.function, skip=by_hand)
    for kind in kinds.values():
        parser.add_class_arguments(kind)
    for action in parser._actions:
        if action.dest in USUAL:
            action.nargs, action.const = "?", USUAL[action.dest]
    return parser


if __name__ == "__main__":
    sys.exit(main())
