"""Training: the Lightning module, its callbacks, and the whole of a pretraining run."""

from kinema.training.callbacks import Stopped
from kinema.training.pretrain import Run, pretrain
from kinema.training.side_by_side import pretrain_side_by_side

__all__ = ["Run", "Stopped", "pretrain", "pretrain_side_by_side"]
