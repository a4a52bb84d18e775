"""A local web page to search one's own videos by movement: ``kinema serve``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinema.common.lazy import load_on_use

if TYPE_CHECKING:
    from kinema.serve.app import create_app
    from kinema.serve.server import run

__all__ = ["create_app", "run"]

__getattr__, __dir__ = load_on_use(__name__, {"app": ("create_app",), "server": ("run",)})
