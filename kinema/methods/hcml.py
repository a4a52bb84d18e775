"""HCML: Hierarchical Contrastive Motion Learning (Yang et al., BMVC 2021).

No code of the paper was ever released. The idea is the paper's: a hierarchy of motion features inside one network, the
lowest learned by reconstructing frames, each higher one by predicting the future of the one below, one level after
another, fused with the appearance. The form it takes here is ours, setting by setting: see :class:`HCMLConfig`. MSCL
and HCML together, which neither paper has, are here too: MSCL's RGB encoder then holds the motion hierarchy.

Patent notice: US 11,594,006 B2 (NVIDIA) covers a self-supervised hierarchical motion learning method; check whether it
concerns you before you use this.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from kinema.config import HCMLConfig, ModelConfig, MSCLConfig, PretrainConfig, TrainConfig
from kinema.data.plan import Plan
from kinema.errors import ConfigError, refuse
from kinema.methods.base import SETTINGS, Draws, Losses, Method, Views, draw
from kinema.methods.motion_objective import MotionObjective
from kinema.methods.mscl import MSCL
from kinema.methods.parts import with_motion
from kinema.methods.progressive import Phase, ProgressiveSchedule
from kinema.models.encoder import VideoEncoder, build_encoder
from kinema.models.hierarchy import MotionFeatures, WithMotion
from kinema.models.registry import narrow


class Hierarchical(Method):
    """A method whose encoder has a motion hierarchy, of which one level learns after another, and then all.

    Attributes:
        hcml: the hierarchy and its losses.
        objective: what it learns from.
    """

    hierarchical = True
    hcml: HCMLConfig
    objective: MotionObjective

    @property
    def motion(self) -> WithMotion:
        """The encoder's backbone, with its motion hierarchy."""
        return motion_of(self.trained_encoder())

    def schedule(self, plan: Plan) -> ProgressiveSchedule:
        """One level after another, and then all together, with other losses if there are any."""
        return ProgressiveSchedule(self.hcml, plan.length, plan.unit)

    def enter(self, phase: Phase) -> None:
        """Freeze what the phase does not train of the encoder; what is beside it gets no gradient in that phase."""
        apply_phase(self.motion, self.objective, phase)


class HCML(Hierarchical):
    """The method on its own, without labels: an encoder with a motion hierarchy, and what that learns from.

    Args:
        model: the encoder; its flow settings play no part.
        config: the hierarchy and the losses.
        encoder: to begin with, of this architecture; None for an untrained one.

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(self, model: ModelConfig, config: HCMLConfig, encoder: VideoEncoder | None = None):
        super().__init__()
        self.hcml = config
        self.encoder = encoder or build_encoder(model, config)
        self.objective = MotionObjective(self.motion.motion_widths, config)

    @classmethod
    def begin(cls, config: PretrainConfig, encoder: VideoEncoder | None = None) -> HCML:
        """Of the settings under ``model`` and ``hcml``."""
        return cls(config.model, config.hcml, encoder)

    @classmethod
    def settings(cls, config: PretrainConfig) -> PretrainConfig:
        """Without a pyramid, which nothing would train."""
        return replace(config, model=replace(config.model, pyramid=None))

    @classmethod
    def check(cls, config: PretrainConfig) -> None:
        """By trial."""
        problem = (
            "hcml has no loss: it needs hcml.prime and hcml.photometric, or hcml.contrast and a level above another"
        )
        refuse({problem: try_hierarchy(config).terms}, SETTINGS)

    def losses(self, views: Views, draws: Draws, phase: Phase | None = None) -> Losses:
        """The losses of a batch, of which the query clips alone are looked at; there are no keys.

        Raises:
            ConfigError: the clips are too short or too small for the hierarchy.
        """
        assert draws.generator is not None
        _, motion = with_motion(self.encoder, self._look, views.query, self.parts)
        terms, facts = self.objective(views.query, motion, draws.generator, phase)
        return Losses(terms, facts, {})

    def _look(self, clips: Tensor, motion: MotionFeatures) -> dict[str, Tensor]:
        self.encoder.stages(clips, motion=motion)
        return {}

    def pairs_from(self, plan: Plan) -> int:
        """None: there are no keys."""
        return plan.steps


def motion_of(encoder: VideoEncoder) -> WithMotion:
    """The backbone of an encoder that was built with a motion hierarchy."""
    assert isinstance(encoder.backbone, WithMotion)
    return encoder.backbone


def apply_phase(motion: WithMotion, objective: MotionObjective, phase: Phase) -> None:
    """Let learn what ``phase`` lets learn; the rest gets no gradient, and its batch statistics stay as they are.

    To be called anew whenever something has put the network into training mode.
    """
    for module in (motion, objective):
        module.requires_grad_(not phase.frozen).train(not phase.frozen)
    if phase.frozen:
        for level in phase.levels:
            for part in _parts(motion, objective, level):
                part.requires_grad_(True).train()


def _parts(motion: WithMotion, objective: MotionObjective, level: int) -> Iterator[nn.Module]:
    """What learns in the phase of a level, while all else rests.

    The prime motion has the whole backbone, of which its loss reaches the first stage and what comes before. A level
    has its block and its predictor; from the second on also its stage, and the fusions into that stage's input.
    """
    if level == 0:
        assert motion.prime is not None and objective.displacement is not None
        yield from (motion.backbone, motion.prime, objective.displacement)
        return
    yield from (motion.levels[str(level)], objective.predictors[str(level)])
    if level > 1:
        yield motion.backbone.get_submodule(motion.paths[level - 1])
        yield from (fusion for name, fusion in motion.fusions.items() if max(int(name), 1) == level - 1)


def try_hierarchy(config: TrainConfig) -> Losses:
    """The losses of a motion hierarchy on two black clips, in a network that is narrow but has the same grids.

    Raises:
        ConfigError: a setting is out of range, or the clips are too short or too small.
    """
    ProgressiveSchedule(config.hcml, config.length)
    clip = config.clip
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        method = HCML(narrow(config.model), config.hcml).eval()
        try:
            return method.losses(Views(torch.zeros(2, 3, clip.frames, *clip.size)), draw(2, torch.Generator()))
        except ConfigError as error:
            raise ConfigError(
                f"settings: hcml on clips of {clip.frames} x {clip.size[0]} x {clip.size[1]}: {error}"
            ) from error


class MSCLWithHCML(Hierarchical, MSCL):
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
