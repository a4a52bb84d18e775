"""MSCL and HCML together, which neither paper has: MSCL's RGB encoder holds HCML's motion hierarchy."""

from __future__ import annotations

from kinema.config import HCMLConfig, ModelConfig, MSCLConfig, PretrainConfig
from kinema.data.plan import Plan
from kinema.methods.base import Draws, Losses, Views
from kinema.methods.hcml import apply_phase, motion_of, try_hierarchy
from kinema.methods.motion_objective import MotionObjective
from kinema.methods.mscl import MSCL
from kinema.methods.parts import with_motion
from kinema.methods.progressive import Phase, ProgressiveSchedule
from kinema.models.encoder import VideoEncoder
from kinema.models.hierarchy import WithMotion


class MSCLWithHCML(MSCL):
    """All losses of MSCL on an encoder with a motion hierarchy, and HCML's; the key encoder has the hierarchy too.

    While a level learns alone, MSCL's losses rest, as its other parts do.

    Args:
        model: the encoders.
        config: MSCL's losses.
        hcml: the hierarchy and its losses.
        encoder: to begin with, of this architecture; None for an untrained one.

    Raises:
        ConfigError: a setting of the hierarchy is out of range.
    """

    hierarchical = True

    def __init__(self, model: ModelConfig, config: MSCLConfig, hcml: HCMLConfig, encoder: VideoEncoder | None = None):
        super().__init__(model, config, hcml, encoder)
        self.hcml = hcml
        self.objective = MotionObjective(self.motion.motion_widths, hcml)

    @classmethod
    def begin(cls, config: PretrainConfig, encoder: VideoEncoder | None = None) -> MSCLWithHCML:
        """Of the settings under ``model``, ``mscl`` and ``hcml``."""
        return cls(config.model, config.mscl, config.hcml, encoder)

    @classmethod
    def check(cls, config: PretrainConfig) -> None:
        """See to both; MSCL's losses are enough for the hierarchy."""
        super().check(config)
        try_hierarchy(config)

    @property
    def motion(self) -> WithMotion:
        """The RGB encoder's backbone, with its motion hierarchy."""
        return motion_of(self.rgb.encoder)

    def losses(self, views: Views, draws: Draws, phase: Phase | None = None) -> Losses:
        """HCML's losses of the query clips and, unless a level learns alone, MSCL's of the same pass.

        Raises:
            ConfigError: the clips are too short or too small for the hierarchy.
        """
        assert draws.generator is not None
        terms, facts, keys = Losses({}, {}, {})
        stages, motion = with_motion(self.rgb, self.look_at_clips, views.query, self.parts)
        if phase is None or not phase.frozen:
            terms, facts, keys = self.losses_of(stages, views, draws)
        motion_terms, motion_facts = self.objective(views.query, motion, draws.generator, phase)
        return Losses(terms | motion_terms, facts | motion_facts, keys)

    def pairs_from(self, plan: Plan) -> int:
        """That in which MSCL's losses begin."""
        return next(phase.steps.start for phase in self.schedule(plan).phases if not phase.frozen)

    def schedule(self, plan: Plan) -> ProgressiveSchedule:
        """One level after another, and then all together with MSCL's losses."""
        return ProgressiveSchedule(self.hcml, plan.length, plan.unit)

    def enter(self, phase: Phase) -> None:
        """Freeze what the phase does not train of the encoder; what is beside it gets no gradient in that phase."""
        apply_phase(self.motion, self.objective, phase)
