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
from typing import Any

import docstring_parser
from jsonargparse import ActionConfigFile, ArgumentParser, Namespace

from kinema import __version__
from kinema.commands import COMMANDS, Command
from kinema.config import LENGTHS
from kinema.errors import ConfigError, KinemaError
from kinema.presets import DEFAULT_PRESET, JOBS, Job, preset_path

SWITCHES = ("resume", "partial", "private", "dry_run", "record")
"""Parameters of commands that are given without a value."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0 if all went well, 1 if it failed, 2 for a wrong call, 130 if stopped."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["--version"]:
        print(f"kinema {__version__}")
        return 0
    name = _command(words)
    if name is None:
        return _overview(words)
    try:
        _run(COMMANDS[name], name, words)
    except ArgumentError as error:
        message = " ".join(str(error).split())
        print(f"kinema {name}: {message}; see kinema {name} --help", file=sys.stderr)
        return 2
    except KinemaError as error:
        print(f"kinema {name}: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print(f"kinema {name}: stopped", file=sys.stderr)
        return 130
    return 0


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
    kind = _config(command)
    preset = _preset(words)
    job = JOBS.get(kind)
    parsed = _parse(parser, words, preset, job)
    if job is not None and parsed.get("preset", preset) != preset:  # a file of settings names another
        parsed = _parse(parser, words, parsed.preset, job)
    if job is not None and (beneath := _beneath(parsed, job)):
        parsed = parser.parse_args(["--config", json.dumps(beneath), *words])
    settings = {key: _plain(value) for key, value in vars(parser.instantiate(parsed)).items()}
    settings.pop("config")
    if kind is not None:
        names = [field.name for field in dataclasses.fields(kind)]
        settings["config"] = kind(**{name: settings.pop(name) for name in names})
    command.function(**settings)


def _beneath(parsed: Namespace, job: Job) -> dict[str, Any]:
    """What lies between the preset and the user's words: no length if the user says one, and the weights' settings."""
    settings: dict[str, Any] = {}
    if all(parsed.get(name) is not None for name in LENGTHS):
        settings |= dict.fromkeys(LENGTHS)
    if job == "pretrain" and parsed.get("weights") is not None:
        from kinema.methods.beginning import settings_of

        settings |= settings_of(parsed.weights, "hcml" if "hcml" in parsed.method else "none")
    return settings


def _plain(value: Any) -> Any:
    """Numbers of the parser's restricted kinds as plain ones, which other processes and checkpoints take."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bool):
        return value
    return next((kind(value) for kind in (int, float) if isinstance(value, kind)), value)


def _config(command: Command) -> type | None:
    """The dataclass whose fields are options of the command, beside its other parameters."""
    parameter = inspect.signature(command.function, eval_str=True).parameters.get("config")
    return None if parameter is None else parameter.annotation


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


def _parser(command: Command, name: str) -> ArgumentParser:
    usage = " ".join(["kinema", name, *map(str.upper, command.positionals), "[options]"])
    parser = ArgumentParser(prog=f"kinema {name}", usage=usage, description=command.summary, exit_on_error=False)
    parser.add_argument("--config", action=ActionConfigFile, help="YAML file of settings; options after it go on top")
    parameters = inspect.signature(command.function, eval_str=True).parameters
    help_texts = {
        param.arg_name: param.description for param in docstring_parser.parse_from_object(command.function).params
    }
    switches = [name for name in SWITCHES if name in parameters]
    by_hand = {*command.positionals, *switches, "config"} & parameters.keys()
    for positional in command.positionals:
        parser.add_argument(positional, type=parameters[positional].annotation, help=help_texts[positional])
    for name in switches:
        parser.add_argument(f"--{name}", action="store_true", help=help_texts[name])
    parser.add_function_arguments(command.function, skip=set(by_hand))
    kind = _config(command)
    if kind is not None:
        parser.add_class_arguments(kind)
    return parser


if __name__ == "__main__":
    sys.exit(main())
