"""MSCL in one file, in plain PyTorch on kinema's parts: ``python examples/mscl.py VIDEOS OUT STEPS``.

It computes what ``kinema pretrain VIDEOS --preset tiny`` does, step by step, on one device and in single precision,
without what makes a long run comfortable. Sections are those of the paper (Ni et al., ECCV 2022); see docs/mscl.md.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from kinema.common.device import find_device
from kinema.config import PretrainConfig
from kinema.data.augment import augment_colors
from kinema.data.fields import ClipReader, shortest_video
from kinema.data.loader import make_loader
from kinema.data.mds import Kept, score_videos
from kinema.data.pairs import Batch, ClipPairs, collate
from kinema.data.plan import Plan, make_plan
from kinema.data.sampler import EpochSampler
from kinema.flow import rotate_flow
from kinema.methods import KeyQueue, MomentumEncoder, clip_info_nce, cosine_momentum, draw, lmcl, step_generator
from kinema.methods.base import Draws, Views
from kinema.models import FlowEncoder, TemporalPyramid, VideoEncoder, build_encoder, build_flow_encoder, save_encoder
from kinema.models.short_conv import short_convolutions
from kinema.presets import settings_on
from kinema.video import scan_folder, usable


class Embedding(nn.Module):
    """An encoder, and the MLP from a clip's feature to its contrastive embedding (B, D) of unit length."""

    def __init__(self, encoder: VideoEncoder | FlowEncoder, embedding: int):
        super().__init__()
        self.encoder, width = encoder, encoder.features
        self.projector = nn.Sequential(nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, embedding))

    def embed(self, features: Tensor) -> Tensor:
        """A clip's feature (B, C), or those of its moments (B, T/2, C), of which it is the mean."""
        return nn.functional.normalize(self.projector(features if features.ndim == 2 else features.mean(dim=1)), dim=1)

    def forward(self, clips: Tensor) -> Tensor:
        """RGB (B, 3, T, H, W) from 0 to 1, or flow (B, 2, T/2, H, W) in pixels."""
        return self.embed(self.encoder(clips))


class MSCL(nn.Module):
    """Encoders of RGB and flow, slow copies that make the keys, queues of keys, and the pyramid that LMCL looks at."""

    def __init__(self, config: PretrainConfig):
        super().__init__()
        self.c, size = config.mscl, config.model.embedding
        self.rgb = Embedding(build_encoder(config.model), size)
        self.rgb_key, self.rgb_queue = MomentumEncoder(self.rgb), KeyQueue(self.c.queue, size, self.c.age_decay)
        self.flow = Embedding(build_flow_encoder(config.model), size)
        self.flow_key, self.flow_queue = MomentumEncoder(self.flow), KeyQueue(self.c.queue, size, self.c.age_decay)
        self.pyramid = TemporalPyramid(self.rgb.encoder.stage_widths, self.flow.encoder.features)

    def losses(self, views: Views, draws: Draws) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """The weighted losses of a batch by name, and the keys of its RGB and of its flow."""
        c, of_batch = self.c, {"temperature": self.c.temperature, "batch_negatives": self.c.batch_negatives}
        terms: dict[str, Tensor] = {}

        def contrast(name: str, weight: float, query: Tensor, key: Tensor, old: tuple[Tensor, Tensor]) -> None:
            terms[name] = weight * clip_info_nce(query, key, old[0], damping=old[1], **of_batch)

        # 3.1: which key, among those of earlier clips, is of the same video? Within RGB, within flow, and across.
        stages, moments = self.rgb.encoder.stages(views.query), self.flow.encoder(views.query_flow)
        q_rgb, k_rgb = self.rgb.embed(stages["layer4"].mean(dim=(2, 3, 4))), self.rgb_key(views.key, draws.order)
        q_flow, k_flow = self.flow.embed(moments), self.flow_key(views.key_flow, draws.order)
        old_rgb, old_flow = self.rgb_queue.negatives, self.flow_queue.negatives
        contrast("rgb", c.rgb, q_rgb, k_rgb, old_rgb)
        contrast("flow", c.flow, q_flow, k_flow, old_flow)
        if c.fra_after_enqueue:  # as in the authors' code
            old_flow = self.flow_queue.negatives_after(k_flow)
        contrast("rgb2flow", c.cross, q_rgb, k_flow, old_flow)
        contrast("flow2rgb", c.cross, q_flow, k_rgb, old_rgb)

        # 3.3: flow that is turned round moves otherwise; in the authors' code it is another view of its video, too.
        turned_query, turned_key = (rotate_flow(flow, draws.angles) for flow in (views.query_flow, views.key_flow))
        turned = self.flow.encoder(turned_query) if c.fra_negatives or c.fra_clips else None
        if c.fra_clips:
            q_turned, k_turned = self.flow.embed(turned), self.flow_key(turned_key, draws.order)
            contrast("fra_flow", c.fra_clips, q_turned, k_turned, old_flow)
            contrast("fra_rgb2flow", c.fra_clips, q_rgb, k_turned, old_flow)
            contrast("fra_flow2rgb", c.fra_clips, q_turned, k_rgb, old_rgb)

        # 3.2: which moment's flow, of the clip's own and of turned ones, belongs to this moment's RGB?
        local = lmcl(self.pyramid(stages), moments, turned if c.fra_negatives else None, temperature=c.temperature)
        return {**terms, "lmcl": c.lmcl * local.loss}, k_rgb, k_flow


def read(folder: Path, out: Path, config: PretrainConfig) -> tuple[Plan, Iterable[Batch]]:
    """How the training goes over a folder, and its batches: two clips of each video, RGB and flow cut alike."""
    entries, _ = usable(scan_folder(folder), config.trainer.max_bad_share, partial(shortest_video, config))
    plan, reader, kept = make_plan(config, len(entries)), ClipReader(folder, config.clip, config.flow), None
    if config.sampling.mds is not None:  # 3.4: clips whose motion changes more than the video's median
        scores = score_videos(reader, entries, config.sampling.mds, out / "mds.parquet", config.trainer.workers)
        kept = Kept(reader, entries, scores)
    pairs = ClipPairs(entries, reader, config.sampling, config.augment, with_flow=True, kept=kept)
    sampler = EpochSampler(plan, config.seed)
    draws = [clip for step in range(plan.steps) for clip in sampler.draws(step)]
    loading = {"batch_size": plan.batch_size, "sampler": draws, "collate_fn": collate}
    return plan, make_loader(pairs, config.trainer.workers, **loading)


def train(folder: Path, out: Path, config: PretrainConfig) -> Iterator[dict[str, float]]:
    """The losses of each step by name; in the end the encoder is in ``out``, for all that kinema does with one."""
    device, (plan, batches) = find_device("auto"), read(folder, out, config)
    torch.manual_seed(config.seed)
    mscl = MSCL(config).to(device, memory_format=torch.channels_last_3d)  # the quickest for convolutions
    trained = [p for p in mscl.parameters() if p.requires_grad]
    biases = {"params": [p for p in trained if p.ndim == 1], "weight_decay": 0.0}  # and scales of norms
    weights = {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.optimizer.weight_decay}
    optimizer = torch.optim.AdamW([weights, biases], fused=True)
    warmup = min(math.ceil(config.optimizer.warmup_epochs * plan.steps_per_epoch), plan.steps // 10)
    for step, batch in zip(range(plan.steps), batches, strict=False):
        falling = 0.5 * (1 + math.cos(math.pi * (step - warmup) / (plan.steps - warmup)))
        for group in optimizer.param_groups:
            group["lr"] = config.optimizer.lr * ((step + 1) / warmup if step < warmup else falling)
        for slow, quick in ((mscl.rgb_key, mscl.rgb), (mscl.flow_key, mscl.flow)):
            slow.update(quick, cosine_momentum(step, plan.steps, config.mscl.momentum))
        draws = draw(len(batch["video"]), step_generator(config.seed, step, process=0), device)
        views = {name: batch[name].to(device).float() for name in ("query", "key", "query_flow", "key_flow")}
        views |= {n: augment_colors(views[n].div_(255), config.augment, draws.generator) for n in ("query", "key")}
        with short_convolutions(device):  # where a CPU's gradients are quick
            terms, k_rgb, k_flow = mscl.losses(Views(**views), draws)
        optimizer.zero_grad()
        (loss := torch.stack(list(terms.values())).sum()).backward()
        nn.utils.clip_grad_norm_(mscl.parameters(), config.optimizer.clip_norm)
        optimizer.step()
        mscl.rgb_queue.enqueue(k_rgb)  # now that the gradient no longer needs the queue as it was
        mscl.flow_queue.enqueue(k_flow)
        yield {"loss": loss.item(), **{f"loss_{name}": term.item() for name, term in terms.items()}}
    out.mkdir(parents=True, exist_ok=True)
    card = {"method": "mscl", "model": asdict(config.model), "clip": asdict(config.clip)}
    save_encoder(mscl.rgb.encoder, out / "encoder.safetensors", card)


if __name__ == "__main__":
    settings = settings_on("tiny", PretrainConfig, {"steps": int(sys.argv[3])})
    for number, said in enumerate(train(Path(sys.argv[1]), Path(sys.argv[2]), settings)):
        print(number, *(f"{name} {value:.3f}" for name, value in said.items()), flush=True)
