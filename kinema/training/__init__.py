"""Training: the Lightning module, its callbacks, and the whole of a pretraining run."""

from kinema.extras import needed_for

with needed_for("kinema.training"):
    from kinema.training.callbacks import Stopped
    from kinema.training.pretrain import Run, pretrain

__all__ = ["Run", "Stopped", "pretrain"]
