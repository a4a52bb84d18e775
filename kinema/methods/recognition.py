"""Recognition with labels, and HCML's losses beside it where they are wanted, which is that paper's own use of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F

from kinema.common.tensors import read_tensors, write_tensors
from kinema.config import POOLED, HCMLConfig
from kinema.data.plan import Plan
from kinema.errors import CheckpointError
from kinema.methods.base import Draws, Losses, Method, Views
from kinema.methods.hcml import apply_phase, motion_of
from kinema.methods.motion_objective import MotionObjective
from kinema.methods.parts import in_parts, with_motion
from kinema.methods.progressive import Phase, ProgressiveSchedule
from kinema.models.encoder import VideoEncoder
from kinema.models.hierarchy import MotionFeatures
from kinema.models.weights import load_encoder, refuse_absent

CLASSIFIER_FILE = "classifier.safetensors"


class Recognition(Method):
    """An encoder with a linear classifier, trained as one.

    While a level of the hierarchy learns alone, the classifier rests.

    Args:
        encoder: the encoder; with a motion hierarchy if ``hcml`` is given.
        classes: number of classes.
        dropout: share of the features that are dropped while training, from 0 to 1.
        label_smoothing: share of the target that is spread over all classes, from 0 to 1.
        hcml: the losses of the encoder's motion hierarchy; None for cross-entropy alone.

    Raises:
        ConfigError: a setting of the hierarchy is out of range.
    """

    def __init__(
        self,
        encoder: VideoEncoder,
        classes: int,
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
        hcml: HCMLConfig | None = None,
    ):
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(encoder.backbone.features, classes)
        self.label_smoothing = label_smoothing
        self.hcml = hcml
        self.objective = None if hcml is None else MotionObjective(motion_of(encoder).motion_widths, hcml)

    def forward(self, clips: Tensor) -> Tensor:
        """RGB (B, 3, T, H, W) from 0 to 1 -> probabilities (B, classes)."""
        return self.scores(self.encoder.pooled(clips)).softmax(dim=1)

    def scores(self, features: Tensor) -> Tensor:
        """Features (B, D) -> unnormalised log-probabilities (B, classes) in single precision."""
        scores: Tensor = self.classifier(self.dropout(features)).float()
        return scores

    def losses(self, views: Views, draws: Draws, phase: Phase | None = None) -> Losses:
        """Cross-entropy of the query clips, unless a level learns alone, and HCML's losses of the same pass.

        Raises:
            ConfigError: the clips are too short or too small for the hierarchy.
        """
        if self.objective is None:
            seen = in_parts(self.encoder, self._look, views.query, self.parts)
            return self._recognise(seen[POOLED], views)
        assert draws.generator is not None
        seen, motion = with_motion(self.encoder, self._look, views.query, self.parts)
        alone = phase is not None and phase.frozen
        terms, facts, _ = Losses({}, {}, {}) if alone else self._recognise(seen[POOLED], views)
        motion_terms, motion_facts = self.objective(views.query, motion, draws.generator, phase)
        return Losses(terms | motion_terms, facts | motion_facts, {})

    def _look(self, clips: Tensor, motion: MotionFeatures | None = None) -> dict[str, Tensor]:
        return {POOLED: self.encoder.pooled(clips, motion)}

    def _recognise(self, features: Tensor, views: Views) -> Losses:
        assert views.label is not None
        scores = self.scores(features)
        loss = F.cross_entropy(scores, views.label, label_smoothing=self.label_smoothing)
        accuracy = (scores.argmax(dim=1) == views.label).float().mean()
        return Losses({"cross_entropy": loss}, {"top1_accuracy": accuracy}, {})

    def pairs_from(self, plan: Plan) -> int:
        """None: there are no keys."""
        return plan.steps

    def schedule(self, plan: Plan) -> ProgressiveSchedule | None:
        """With HCML one level after another, and then all together with the classifier."""
        return None if self.hcml is None else ProgressiveSchedule(self.hcml, plan.length, plan.unit)

    def enter(self, phase: Phase) -> None:
        """Freeze what the phase does not train of the encoder; the classifier gets no gradient while it rests."""
        assert self.objective is not None
        apply_phase(motion_of(self.encoder), self.objective, phase)


def save_classifier(method: Recognition, path: Path, classes: Sequence[str]) -> None:
    """Write the linear classifier of a trained network, with the names of its classes."""
    write_tensors(path, method.classifier.state_dict(), {"classes": json.dumps(list(classes))})


def load_classifier(run: str | Path) -> tuple[Recognition, list[str]]:
    """A trained network in evaluation mode, which maps clips (B, 3, T, H, W) from 0 to 1 to probabilities (B, classes).

    Args:
        run: the folder of a training with labels.

    Returns:
        The network, and the names of its classes.

    Raises:
        CheckpointError: the encoder or the classifier is missing, damaged, or they do not belong together.
    """
    path = Path(run) / CLASSIFIER_FILE
    refuse_absent(path, CLASSIFIER_FILE, "classifier", "kinema finetune")
    encoder = load_encoder(run)
    try:
        weights, about = read_tensors(path)
        classes = json.loads(about["classes"])
        network = Recognition(encoder, len(classes))
        network.classifier.load_state_dict(weights)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} is damaged or not of this encoder ({error}); train it again") from error
    return network.eval(), classes
