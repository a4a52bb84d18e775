"""Training: the step and the loop, what happens around it, and the whole of a pretraining run."""

from kinema.common.extras import needed_for

with needed_for("kinema.training"):
    import tensorboard  # noqa: F401  # which takes every run's logs

from kinema.training.callbacks import Stopped
from kinema.training.pretrain import Run, pretrain

__all__ = ["Run", "Stopped", "pretrain"]
