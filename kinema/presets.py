"""Presets: named files of settings that come with kinema."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from kinema.errors import ConfigError

FOLDER = Path(str(resources.files("kinema"))) / "configs"

DEFAULT_PRESET = "tiny"
"""The preset that settings begin with if none is named."""


def list_presets() -> list[str]:
    """The names of all presets."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def preset_path(name: str) -> Path:
    """The YAML file of a preset.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in list_presets():
        raise ConfigError(f"unknown preset {name!r}; choose one of {', '.join(list_presets())}")
    return FOLDER / f"{name}.yaml"
