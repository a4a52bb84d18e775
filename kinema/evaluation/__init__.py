"""Protocols that measure what an encoder has learned: nearest-neighbour retrieval and the linear probe.

Each protocol is one function that takes features and labels and returns a typed result; :func:`evaluate` does the whole
way from an encoder's file and a folder of videos to a JSON file. Names load on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Features": "features",
    "extract_features": "features",
    "Fold": "folds",
    "Folds": "folds",
    "make_folds": "folds",
    "RetrievalFigures": "retrieval",
    "RetrievalResult": "retrieval",
    "RetrievalSpec": "retrieval",
    "evaluate_retrieval": "retrieval",
    "ProbeResult": "probe",
    "ProbeSpec": "probe",
    "evaluate_probe": "probe",
    "Evaluation": "run",
    "evaluate": "run",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
