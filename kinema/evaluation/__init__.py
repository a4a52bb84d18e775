"""Protocols that measure what an encoder has learned: from retrieval to the diagnosis of what it goes by.

Each protocol is one function that takes features and labels and returns a typed result; :func:`evaluate` does the whole
way from an encoder's file and a folder of videos to a JSON file. Estimators of optical flow have a protocol of their
own, :func:`evaluate_flow`. Names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinema.common.lazy import load_on_use

if TYPE_CHECKING:
    from kinema.config.requests import EvaluationConfig
    from kinema.evaluation.diagnosis import DiagnosisResult, DiagnosisSpec, evaluate_diagnosis
    from kinema.evaluation.features import Features, extract_features
    from kinema.evaluation.few_label import FewLabelResult, FewLabelSpec, evaluate_few_label
    from kinema.evaluation.flow import FlowErrors, FlowEvaluation, evaluate_flow, flow_errors
    from kinema.evaluation.flow_scenes import Scene, TrueFlow, find_scenes
    from kinema.evaluation.folds import Fold, Folds, make_folds
    from kinema.evaluation.knn import KNNResult, KNNSpec, evaluate_knn
    from kinema.evaluation.outcome import Evaluation
    from kinema.evaluation.pairs import PairsResult, PairsSpec, evaluate_pairs
    from kinema.evaluation.probe import ProbeResult, ProbeSpec, evaluate_probe
    from kinema.evaluation.representation import Representation, RetrievalFigures
    from kinema.evaluation.retrieval import RetrievalResult, RetrievalSpec, evaluate_retrieval
    from kinema.evaluation.run import evaluate
    from kinema.evaluation.shortcuts import Reordered

__all__ = [
    "DiagnosisResult",
    "DiagnosisSpec",
    "Evaluation",
    "EvaluationConfig",
    "Features",
    "FewLabelResult",
    "FewLabelSpec",
    "FlowErrors",
    "FlowEvaluation",
    "Fold",
    "Folds",
    "KNNResult",
    "KNNSpec",
    "PairsResult",
    "PairsSpec",
    "ProbeResult",
    "ProbeSpec",
    "Reordered",
    "Representation",
    "RetrievalFigures",
    "RetrievalResult",
    "RetrievalSpec",
    "Scene",
    "TrueFlow",
    "evaluate",
    "evaluate_diagnosis",
    "evaluate_few_label",
    "evaluate_flow",
    "evaluate_knn",
    "evaluate_pairs",
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
        "diagnosis": ("DiagnosisResult", "DiagnosisSpec", "evaluate_diagnosis"),
        "features": ("Features", "extract_features"),
        "few_label": ("FewLabelResult", "FewLabelSpec", "evaluate_few_label"),
        "flow": ("FlowErrors", "FlowEvaluation", "evaluate_flow", "flow_errors"),
        "flow_scenes": ("Scene", "TrueFlow", "find_scenes"),
        "folds": ("Fold", "Folds", "make_folds"),
        "knn": ("KNNResult", "KNNSpec", "evaluate_knn"),
        "outcome": ("Evaluation",),
        "pairs": ("PairsResult", "PairsSpec", "evaluate_pairs"),
        "probe": ("ProbeResult", "ProbeSpec", "evaluate_probe"),
        "representation": ("Representation", "RetrievalFigures"),
        "retrieval": ("RetrievalResult", "RetrievalSpec", "evaluate_retrieval"),
        "run": ("EvaluationConfig", "evaluate"),
        "shortcuts": ("Reordered",),
    },
)
