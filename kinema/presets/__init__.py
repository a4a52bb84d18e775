"""Presets: named files of settings that come with kinema."""

from __future__ import annotations

import glob
from argparse import ArgumentError
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar

from kinema.config import LENGTHS, FinetuneConfig, PretrainConfig
from kinema.errors import ConfigError, words_of

FOLDER = Path(str(resources.files("kinema"))) / "presets"

Job = Literal["pretrain", "finetune"]
"""What a preset is for; each has presets of its own."""

JOBS: dict[type | None, Job] = {PretrainConfig: "pretrain", FinetuneConfig: "finetune"}
"""Which presets are of which settings; other settings have none."""

WORDS: dict[type, tuple[str, ...]] = {PretrainConfig: ("method",), FinetuneConfig: ("motion",)}
"""What else presets may say: options of the command that are no settings."""

Kind = TypeVar("Kind", PretrainConfig, FinetuneConfig)

DEFAULT_PRESET = "tiny"
"""The preset that settings begin with if none is named."""


def list_presets(job: Job = "pretrain") -> list[str]:
    """The names of all presets of a job."""
    return sorted(path.stem for path in (FOLDER / job).glob("*.yaml"))


def preset_path(name: str, job: Job = "pretrain") -> Path:
    """The YAML file of a preset.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in list_presets(job):
        raise ConfigError(f"unknown preset {name!r}; choose one of {', '.join(list_presets(job))}")
    return FOLDER / job / f"{name}.yaml"


def settings_on(preset: str, kind: type[Kind], settings: Mapping[str, Any]) -> Kind:
    """The settings of a preset with others on top, as a command takes them from a file of settings.

    Steps or epochs on top take the place of the preset's epochs or steps.

    Args:
        preset: its name.
        kind: of the settings.
        settings: those on top, nested as in YAML.

    Raises:
        ConfigError: there is no such preset, or no such setting.
    """
    if any(settings.get(name) is not None for name in LENGTHS):
        settings = {**dict.fromkeys(LENGTHS), **settings}
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind)
    for word in WORDS[kind]:
        parser.add_argument(f"--{word}")
    parser.default_config_files = [glob.escape(str(preset_path(preset, JOBS[kind])))]
    try:
        parsed = parser.parse_object(dict(settings))
    except ArgumentError as error:
        raise ConfigError(f"the settings on the preset {preset} are wrong: {words_of(error)}") from error
    made = vars(parser.instantiate(parsed))
    return kind(**{name: value for name, value in made.items() if name not in WORDS[kind]})
