"""Encoders to and from the Hugging Face Hub, and folders laid out like it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from kinema.common.extras import needed_for
from kinema.common.files import make_folder, write_json, write_text
from kinema.common.provenance import file_sha256
from kinema.errors import CheckpointError, OutputError, first_line
from kinema.models.encoder import VideoEncoder
from kinema.models.model_card import model_card
from kinema.models.weights import ENCODER_FILE, load_encoder, save_encoder

PATTERNS = (["*.json", "*.safetensors"], ["pytorch_model*"])
"""What is fetched of a model; the second where the first brought no weights."""


def from_pretrained(name: str | Path) -> VideoEncoder:
    """An encoder of kinema from the Hugging Face Hub, in evaluation mode, as :func:`kinema.load_encoder` gives it.

    Args:
        name: ``OWNER/NAME``, which is fetched once and then read from the Hub's cache, or a folder.

    Raises:
        ConfigError: huggingface_hub is not installed, and ``name`` no folder.
        CheckpointError: there is no such folder or repository, or it holds no encoder that kinema knows.
    """
    return load_encoder(folder_of(str(name)))


def save_pretrained(encoder: VideoEncoder, folder: str | Path, name: str | None = None) -> list[Path]:
    """Write an encoder as the Hub wants it: weights, settings, and a README that says how it was made.

    Args:
        encoder: with its card.
        folder: the folder; files of these names in it are replaced.
        name: what the README calls it; the folder's name unless given.

    Returns:
        The files.

    Raises:
        OutputError: they cannot be written.
    """
    folder = make_folder(folder)
    weights = save_encoder(encoder, folder / ENCODER_FILE, encoder.card)
    words = model_card(encoder.card, name or folder.resolve().name, encoder.features, file_sha256(weights))
    return [weights, write_json(folder / "config.json", encoder.card), write_text(folder / "README.md", words)]


def push_to_hub(encoder: VideoEncoder, repo: str, private: bool = False) -> str:
    """Put an encoder on the Hugging Face Hub, under the account that ``hf auth login`` has set.

    Args:
        encoder: with its card.
        repo: ``OWNER/NAME``; it is made if there is none.
        private: whether a new repository is.

    Returns:
        The address of the upload.

    Raises:
        ConfigError: huggingface_hub is not installed.
        OutputError: the Hub refuses, or cannot be reached.
    """
    with needed_for(f"to push to {repo}"):
        from huggingface_hub import HfApi
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(encoder, folder, repo)
        try:
            HfApi().create_repo(repo, private=private, exist_ok=True)
            return str(HfApi().upload_folder(repo_id=repo, folder_path=folder, commit_message="Upload an encoder"))
        except Exception as error:  # of the network, of the Hub, of the name or of the account
            reason = first_line(error, type(error).__name__)
            raise OutputError(
                f"{repo} cannot be pushed to the Hugging Face Hub ({reason}); check the name, the network and "
                "`hf auth login`"
            ) from error


def folder_of(name: str) -> Path:
    """The folder of a model: ``name`` itself if it is one, else that model of the Hub, fetched or from its cache.

    Raises:
        ConfigError: huggingface_hub is not installed.
        CheckpointError: there is no such folder or model, or it cannot be fetched.
    """
    if Path(name).is_dir():
        return Path(name)
    with needed_for(f"{name} is no folder, and to fetch it"):
        from huggingface_hub import snapshot_download
    try:
        folder = Path(snapshot_download(name, allow_patterns=PATTERNS[0]))
        if not any(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(name, allow_patterns=PATTERNS[1]))
    except Exception as error:  # of the network, of the Hub or of the name
        reason = first_line(error, type(error).__name__)
        raise CheckpointError(
            f"{name} is no folder, and not to be had from the Hugging Face Hub ({reason}); check the name and the "
            "network, or name a folder"
        ) from error
    return folder
