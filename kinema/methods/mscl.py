"""MSCL: Motion Sensitive Contrastive Learning (Ni et al., ECCV 2022).

Read it next to section 3 of the paper. With all but the RGB loss switched off it is MoCo on RGB clips.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from kinema.common.processes import gather, rank_and_count
from kinema.config import HCMLConfig, ModelConfig, MSCLConfig, PretrainConfig
from kinema.errors import ConfigError, refuse
from kinema.flow import rotate_flow
from kinema.methods.base import SETTINGS, Draws, Losses, Method, Views
from kinema.methods.dense_motion import DenseLMCL, MotionPrediction
from kinema.methods.losses import FlowBranch, RGBBranch, clip_info_nce, in_step, lmcl
from kinema.methods.momentum import KeyQueue, MomentumEncoder, Negatives
from kinema.methods.parts import in_parts
from kinema.methods.progressive import Phase
from kinema.models.encoder import PYRAMID, VideoEncoder, build_encoder, build_flow_encoder
from kinema.models.hierarchy import MotionFeatures
from kinema.models.pyramid import TemporalPyramid

LOCAL = "local"
"""Flow's local features among its stages."""


class MSCL(Method):
    """The method: encoders, their momentum copies, queues and losses.

    Args:
        model: the encoders.
        config: the losses.
        hcml: the motion hierarchy inside the RGB encoder; None for none, as in the paper.
        encoder: the RGB encoder to begin with, of this architecture; None for an untrained one.

    Raises:
        ConfigError: a dense loss is wanted, and the encoder has no pyramid.
    """

    def __init__(
        self,
        model: ModelConfig,
        config: MSCLConfig,
        hcml: HCMLConfig | None = None,
        encoder: VideoEncoder | None = None,
    ):
        super().__init__()
        if config.dense and model.pyramid is None:
            raise ConfigError("mscl.motion and mscl.dense_lmcl look at the encoder's pyramid: set model.pyramid")
        self.config = config
        self.with_flow = config.uses_flow
        self.with_key = config.contrasts_clips
        self.momentum = config.momentum if config.contrasts_clips else None
        self.shuffles_devices = config.contrasts_clips and config.shuffle == "devices"
        size = config.queue
        self.rgb = RGBBranch(encoder or build_encoder(model, hcml), model.embedding)
        if config.contrasts_clips:
            self.rgb_key = MomentumEncoder(self.rgb, over_devices=self.shuffles_devices)
            self.rgb_queue = KeyQueue(size, model.embedding, config.age_decay)
        if config.encodes_flow:
            self.flow = FlowBranch(build_flow_encoder(model), model.embedding)
        if config.encodes_flow and config.contrasts_clips:
            self.flow_key = MomentumEncoder(self.flow, over_devices=self.shuffles_devices)
            self.flow_queue = KeyQueue(size, model.embedding, config.age_decay)
        if config.lmcl:
            self.pyramid = TemporalPyramid(self.rgb.encoder.backbone.stage_widths, self.flow.encoder.features)
        channels = model.pyramid or 0
        if config.motion:
            self.prediction = MotionPrediction(channels, config.motion_boundaries, config.motion_stabilised)
        if config.dense_lmcl:
            widths = self.flow.encoder.backbone.stage_widths
            self.dense = DenseLMCL(channels, widths, config.dense_cells, config.temperature)

    @classmethod
    def begin(cls, config: PretrainConfig, encoder: VideoEncoder | None = None) -> MSCL:
        """Of the settings under ``model`` and ``mscl``."""
        return cls(config.model, config.mscl, encoder=encoder)

    @classmethod
    def check(cls, config: PretrainConfig) -> None:
        """See to the settings under ``mscl``, and to what they ask of the encoder."""
        mscl, model = config.mscl, config.model
        weights = ("rgb", "flow", "cross", "lmcl", "fra_clips", "motion", "dense_lmcl")
        checks = {
            f"mscl.{name} must be at least 0, not {getattr(mscl, name):g}": getattr(mscl, name) >= 0
            for name in ("queue", *weights)
        }
        checks |= {
            "mscl.temperature must be positive": mscl.temperature > 0,
            "mscl.momentum must lie between 0 and 1": 0 <= mscl.momentum <= 1,
            "mscl.rgb, cross, lmcl, fra_clips, motion or dense_lmcl must be above 0, or the RGB encoder learns "
            "nothing": any((mscl.rgb, mscl.cross, mscl.lmcl, mscl.fra_clips, mscl.dense)),
            "mscl.motion and mscl.dense_lmcl look at the encoder's pyramid: set model.pyramid": (
                model.pyramid is not None or not mscl.dense
            ),
            "model.pyramid learns from mscl.motion and mscl.dense_lmcl alone: set one of them above 0, or "
            "model.pyramid to null": model.pyramid is None or mscl.dense,
            "mscl.motion_boundaries and motion_stabilised need mscl.motion above 0": (
                mscl.motion > 0 or not (mscl.motion_boundaries or mscl.motion_stabilised)
            ),
            "mscl.dense_cells must be at least 2": mscl.dense_cells >= 2,
            "mscl.fra_negatives needs mscl.lmcl above 0": not mscl.fra_negatives or mscl.lmcl > 0,
            "mscl.fra_after_enqueue needs mscl.fra_clips above 0 and a queue": (
                not mscl.fra_after_enqueue or (mscl.fra_clips > 0 and mscl.queue > 0)
            ),
            "mscl: without a queue there must be batch_negatives": mscl.queue > 0 or mscl.batch_negatives,
        }
        refuse(checks, SETTINGS)

    @classmethod
    def needs_flow(cls, config: PretrainConfig) -> bool:
        """Whether any loss does."""
        return config.mscl.uses_flow

    def trained_encoder(self) -> VideoEncoder:
        """The RGB encoder."""
        return self.rgb.encoder

    def losses(self, views: Views, draws: Draws, phase: Phase | None = None) -> Losses:
        """Every loss of one batch; MSCL has no phases."""
        return self.losses_of(in_parts(self.rgb, self.look_at_clips, views.query, self.parts), views, draws)

    def look_at_clips(self, clips: Tensor, motion: MotionFeatures | None = None) -> dict[str, Tensor]:
        """The RGB encoder's stages (B, C, T', H', W') that any loss looks at; ``motion`` as the encoder takes it."""
        wanted = {self.rgb.last, *(self.pyramid.stages if self.config.lmcl else ()), PYRAMID}
        stages = self.rgb.encoder.stages(clips, motion=motion)
        return {name: stage for name, stage in stages.items() if name in wanted}

    def _look_at_flow(self, flow: Tensor) -> dict[str, Tensor]:
        """The local features (B, S, C) of flow, and the stages that dense LMCL looks at."""
        stages = self.flow.encoder.stages(flow)
        wanted = DenseLMCL.STAGES if self.config.dense_lmcl else ()
        return {LOCAL: self.flow.encoder.pool(stages), **{name: stages[name] for name in wanted}}

    def losses_of(self, stages: dict[str, Tensor], views: Views, draws: Draws) -> Losses:
        """Every loss of one batch, of whose query clips the encoder's stages are given."""
        c = self.config
        terms: dict[str, Tensor] = {}
        facts: dict[str, Tensor] = {}
        keys: dict[str, Tensor] = {}
        local_flow = local_rotated = None
        if c.encodes_flow:
            assert views.query_flow is not None
            flow_stages = in_parts(self.flow, self._look_at_flow, views.query_flow, self.parts)
            local_flow = flow_stages[LOCAL]

        # Section 3.3: the same motion in another direction.
        if c.fra_negatives or c.fra_clips:
            assert views.query_flow is not None
            rotated = rotate_flow(views.query_flow, draws.angles)
            local_rotated = in_parts(self.flow, self._look_at_flow, rotated, self.parts)[LOCAL]

        # Section 3.1: which clip is of the same video?
        if c.contrasts_clips:
            terms, keys = self._clip_losses(stages, local_flow, local_rotated, views, draws)

        # Section 3.2: which moment's flow belongs to this moment's RGB?
        if c.lmcl:
            assert local_flow is not None
            local_rgb, positives = in_step(self.pyramid(stages), local_flow)
            negatives = in_step(local_rgb, local_rotated)[1] if c.fra_negatives and local_rotated is not None else None
            local = lmcl(local_rgb, positives, negatives, temperature=c.temperature)
            terms["lmcl"] = c.lmcl * local.loss
            facts["lmcl_accuracy"] = local.accuracy

        # Ours: the same questions of each place.
        if c.motion:
            assert views.query_flow is not None and views.flow_seconds is not None
            terms["motion"] = c.motion * self.prediction(stages[PYRAMID], views.query_flow, views.flow_seconds)
        if c.dense_lmcl:
            assert views.query_flow is not None and draws.generator is not None
            dense = self.dense(stages[PYRAMID], flow_stages, views.query_flow, draws.generator)
            terms["dense_lmcl"] = c.dense_lmcl * dense.loss
            facts["dense_lmcl_accuracy"] = dense.accuracy
        return Losses(terms, facts, keys)

    def _clip_losses(
        self,
        stages: dict[str, Tensor],
        local_flow: Tensor | None,
        local_rotated: Tensor | None,
        views: Views,
        draws: Draws,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The clip-level losses, and the keys of the batch by the name of their queue."""
        c = self.config
        terms: dict[str, Tensor] = {}

        # Contrast within RGB,
        assert views.key is not None
        q_rgb, k_rgb = self.rgb.embed(stages), self.rgb_key(views.key, draws.order, self.parts)
        if c.rgb:
            terms["rgb"] = c.rgb * self._contrast(q_rgb, k_rgb, self.rgb_queue.negatives)
        if local_flow is None:
            return terms, {"rgb_queue": k_rgb}

        # ... within flow, and across the modalities;
        assert views.key_flow is not None
        q_flow, k_flow = self.flow.embed(local_flow), self.flow_key(views.key_flow, draws.order, self.parts)
        if c.flow:
            terms["flow"] = c.flow * self._contrast(q_flow, k_flow, self.flow_queue.negatives)
        # The authors' code goes on with the flow queue as it is when the batch's own keys are in it.
        later = self.flow_queue.negatives_after(gather(k_flow)) if c.fra_after_enqueue else self.flow_queue.negatives
        if c.cross:
            terms["rgb2flow"] = c.cross * self._contrast(q_rgb, k_flow, later)
            terms["flow2rgb"] = c.cross * self._contrast(q_flow, k_rgb, self.rgb_queue.negatives)

        # rotated flow as another view of its video.
        if c.fra_clips:
            assert local_rotated is not None
            q_rotated = self.flow.embed(local_rotated)
            k_rotated = self.flow_key(rotate_flow(views.key_flow, draws.angles), draws.order, self.parts)
            terms["fra_flow"] = c.fra_clips * self._contrast(q_rotated, k_rotated, later)
            terms["fra_rgb2flow"] = c.fra_clips * self._contrast(q_rgb, k_rotated, later)
            terms["fra_flow2rgb"] = c.fra_clips * self._contrast(q_rotated, k_rgb, self.rgb_queue.negatives)
        return terms, {"rgb_queue": k_rgb, "flow_queue": k_flow}

    def _contrast(self, query: Tensor, key: Tensor, negatives: Negatives) -> Tensor:
        everywhere = self.config.batch_negatives  # the batch is that of all processes
        return clip_info_nce(
            query,
            gather(key) if everywhere else key,
            negatives.keys,
            temperature=self.config.temperature,
            damping=negatives.damping,
            batch_negatives=everywhere,
            first=rank_and_count()[0] * len(query) if everywhere else 0,
        )

    def update_keys(self, momentum: float) -> None:
        """Move the momentum encoders towards the query encoders."""
        self.rgb_key.update(self.rgb, momentum)
        if self.config.encodes_flow:
            self.flow_key.update(self.flow, momentum)

    def enqueue(self, keys: dict[str, Tensor]) -> None:
        """Put keys (N, D) into their queues."""
        for name, values in keys.items():
            queue = self.get_submodule(name)
            assert isinstance(queue, KeyQueue)
            queue.enqueue(values)


class MoCo(MSCL):
    """MSCL with all but its RGB loss switched off."""

    @classmethod
    def settings(cls, config: PretrainConfig) -> PretrainConfig:
        """Without the other losses, and without a pyramid, which nothing would train."""
        return replace(config, mscl=config.mscl.rgb_only(), model=replace(config.model, pyramid=None))
