"""Encoders to and from the Hugging Face Hub, and folders laid out like it."""

from __future__ import annotations

from pathlib import Path

from kinema.errors import CheckpointError, ConfigError

PATTERNS = (["*.json", "*.safetensors"], ["pytorch_model*"])
"""What is fetched of a model; the second where the first brought no weights."""


def folder_of(name: str) -> Path:
    """The folder of a model: ``name`` itself if it is one, else that model of the Hub, fetched or from its cache.

    Raises:
        ConfigError: huggingface_hub is not installed.
        CheckpointError: there is no such folder or model, or it cannot be fetched.
    """
    if Path(name).is_dir():
        return Path(name)
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ConfigError(
            f'{name} is no folder, and to fetch it needs huggingface_hub: pip install "kinema[hub]"'
        ) from error
    try:
        folder = Path(snapshot_download(name, allow_patterns=PATTERNS[0]))
        if not any(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(name, allow_patterns=PATTERNS[1]))
    except Exception as error:  # of the network, of the Hub or of the name
        raise CheckpointError(
            f"{name} is no folder, and not to be had from the Hugging Face Hub ({str(error).splitlines()[0]}); check "
            "the name and the network, or name a folder"
        ) from error
    return folder
