"""Synthetic motion videos: what moves how is known, and its appearance tells nothing of it."""

from kinema.config.synthesis import SynthConfig
from kinema.data.synthetic.appearance import SCENES, SHAPES
from kinema.data.synthetic.dataset import SynthSummary, synthesise
from kinema.data.synthetic.figures.cast import FIGURE_MOTIONS
from kinema.data.synthetic.figures.render import FigureSpec, render_figures
from kinema.data.synthetic.files import load_true_flow
from kinema.data.synthetic.motions import DIFFICULTIES, ORDERED_MOTIONS, SINGLE_MOTIONS, Difficulty
from kinema.data.synthetic.plans import plan
from kinema.data.synthetic.render import Rendered, VideoSpec, render

__all__ = [
    "DIFFICULTIES",
    "FIGURE_MOTIONS",
    "ORDERED_MOTIONS",
    "SCENES",
    "SHAPES",
    "SINGLE_MOTIONS",
    "Difficulty",
    "FigureSpec",
    "Rendered",
    "SynthConfig",
    "SynthSummary",
    "VideoSpec",
    "load_true_flow",
    "plan",
    "render",
    "render_figures",
    "synthesise",
]
