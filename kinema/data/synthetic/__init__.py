"""Synthetic motion videos: what moves how is known, and its appearance tells nothing of it."""

from kinema.data.synthetic.appearance import SCENES, SHAPES
from kinema.data.synthetic.dataset import LABEL_COLUMNS, SynthConfig, SynthSummary, plan, synthesise
from kinema.data.synthetic.files import load_true_flow
from kinema.data.synthetic.motions import DIFFICULTIES, ORDERED_MOTIONS, SINGLE_MOTIONS, Difficulty
from kinema.data.synthetic.render import Rendered, VideoSpec, render

__all__ = [
    "DIFFICULTIES",
    "LABEL_COLUMNS",
    "ORDERED_MOTIONS",
    "SCENES",
    "SHAPES",
    "SINGLE_MOTIONS",
    "Difficulty",
    "Rendered",
    "SynthConfig",
    "SynthSummary",
    "VideoSpec",
    "load_true_flow",
    "plan",
    "render",
    "synthesise",
]
