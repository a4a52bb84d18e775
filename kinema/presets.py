"""Presets: named files of settings that come with kinema."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Literal

from kinema.errors import ConfigError

FOLDER = Path(str(resources.files("kinema"))) / "configs"

Job = Literal["pretrain", "finetune"]
"""What a preset is for; each has presets of its own."""

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
