"""Protocols that measure what an encoder has learned: nearest-neighbour retrieval and the linear probe.

Each protocol is one function that takes features and labels and returns a typed result; :func:`evaluate` does the whole
way from an encoder's file and a folder of videos to a JSON file. Estimators of optical flow have a protocol of their
own, :func:`evaluate_flow`. Names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinema.lazy import load_on_use

if TYPE_CHECKING:
    from kinema.evaluation.features import Features, extract_features
    from kinema.evaluation.flow import FlowErrors, FlowEvaluation, evaluate_flow, flow_errors
    from kinema.evaluation.flow_scenes import Scene, TrueFlow, find_scenes
    from kinema.evaluation.folds import Fold, Folds, make_folds
    from kinema.evaluation.probe import ProbeResult, ProbeSpec, evaluate_probe
    from kinema.evaluation.retrieval import RetrievalFigures, RetrievalResult, RetrievalSpec, evaluate_retrieval
    from kinema.evaluation.run import Evaluation, evaluate

__all__ = [
    "Evaluation",
    "Features",
    "FlowErrors",
    "FlowEvaluation",
    "Fold",
    "Folds",
    "ProbeResult",
    "ProbeSpec",
    "RetrievalFigures",
    "RetrievalResult",
    "RetrievalSpec",
    "Scene",
    "TrueFlow",
    "evaluate",
    "evaluate_flow",
    "evaluate_probe",
    "evaluate_retrieval",
    "extract_features",
    "find_scenes",
    "flow_errors",
    "make_folds",
]

__getattr__, __dir__ = load_on_use(
    __name__,
    {
        "features": ("Features", "extract_features"),
        "flow": ("FlowErrors", "FlowEvaluation", "evaluate_flow", "flow_errors"),
        "flow_scenes": ("Scene", "TrueFlow", "find_scenes"),
        "folds": ("Fold", "Folds", "make_folds"),
        "probe": ("ProbeResult", "ProbeSpec", "evaluate_probe"),
        "retrieval": ("RetrievalFigures", "RetrievalResult", "RetrievalSpec", "evaluate_retrieval"),
        "run": ("Evaluation", "evaluate"),
    },
)
