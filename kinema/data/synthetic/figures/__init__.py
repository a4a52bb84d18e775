"""Videos with bodies: people, animals, hands, mouths, soft and rigid things, before cameras and scenes of all kinds."""

from kinema.data.synthetic.figures.camera import CAMERAS
from kinema.data.synthetic.figures.cast import FIGURE_MOTIONS, KINDS, dealt_motions
from kinema.data.synthetic.figures.palettes import PALETTES
from kinema.data.synthetic.figures.render import FigureSpec, render_figures
from kinema.data.synthetic.figures.scenery import SCENES

__all__ = [
    "CAMERAS",
    "FIGURE_MOTIONS",
    "KINDS",
    "PALETTES",
    "SCENES",
    "FigureSpec",
    "dealt_motions",
    "render_figures",
]
