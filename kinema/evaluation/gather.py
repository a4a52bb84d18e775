"""All that protocols ask of an encoder about some videos, from one decoding of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kinema.common.whitening import Whitening
from kinema.config import ClipConfig, ReadoutConfig, overlaid
from kinema.errors import DataError
from kinema.evaluation.features import Features, extract_features
from kinema.evaluation.looks import Copies, Jittered, Shaken
from kinema.evaluation.representation import Representation
from kinema.evaluation.shortcuts import Order, Reordered
from kinema.evaluation.table import Seen
from kinema.models import OpenedEncoder, VideoEncoder, open_encoder

WINDOWS = 240
"""On which a whitening is fitted, at most or nearly so."""
OF_A_VIDEO = 4
"""Windows of a video at most: more would be much the same."""
SHRINKAGE = 0.2
"""Of the whitening."""


class WithPooled(nn.Module):
    """An encoder that gives its pooled features too, behind those of its readout and from the same pass.

    Args:
        encoder: whose readout is not the pooled one.
    """

    def __init__(self, encoder: VideoEncoder):
        super().__init__()
        self.encoder = encoder
        self.card = encoder.card

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) -> (B, D + P)."""
        both = self.encoder.both(clips)
        return torch.cat((both["readout"].float(), both["pooled"].float()), 1)


@dataclass(frozen=True)
class Gathered:
    """What an encoder makes of some videos.

    Attributes:
        features: how it was made, and what happened on the way.
        readout: the features that the encoder gives.
        pooled: its pooled features; the same where these are what it gives.
        reordered: (N, D) of the readout by the order in which frames were put.
        whitening: how that of both was fitted, or why there is none; None where none was asked for.
    """

    features: Features
    readout: Representation
    pooled: Representation
    reordered: dict[Order, Tensor]
    whitening: dict[str, Any] | None


def gather(encoder: OpenedEncoder, *args: Any, **settings: Any) -> Gathered:
    """Ask an encoder about some videos: :func:`gather_several` for one."""
    return gather_several({encoder.name: encoder}, *args, **settings)[encoder.name]


def gather_several(
    encoders: Mapping[str, OpenedEncoder],
    paths: Sequence[str | Path],
    clip: ClipConfig,
    *,
    fit_on: Sequence[int],
    transductive: bool,
    orders: Sequence[Order] = (),
    jitter: int | None = None,
    shaken: float | None = None,
    clips: int = 10,
    cache: str | Path | None = None,
    **settings: Any,
) -> dict[str, Gathered]:
    """Ask encoders about some videos, which are decoded once for all of them.

    Args:
        encoders: by name.
        paths: the video files.
        clip: the clips' geometry.
        fit_on: positions of the videos on whose windows the whitenings are fitted; none for no whitening.
        transductive: whether those that are compared are among them.
        orders: the orders of frames to see too.
        jitter: rounds of shifted crops; None for none.
        shaken: standard deviation in pixels of the shake of a hand; None for none.
        clips: clips per video.
        cache: folder of a store of features; None for none.
        settings: of the extraction, as of :func:`~kinema.evaluation.features.extract_features`.

    Returns:
        What each makes of them, by name.

    Raises:
        KinemaError: as of :func:`~kinema.evaluation.features.extract_features`.
    """
    chosen, copies = fitted_on(fit_on) if fit_on else ((), None)
    asked: dict[str, nn.Module | Seen] = {}
    for name, encoder in encoders.items():
        module = encoder.module
        both = WithPooled(module) if isinstance(module, VideoEncoder) and _has_pooled_too(encoder) else module
        asked[name] = both
        asked |= {_altered(name, order): Reordered(module, order) for order in orders}
        if jitter is not None:
            asked[f"{name}, jittered"] = Seen(both, Jittered(clips, rounds=jitter))
        if shaken is not None:
            asked[f"{name}, shaken"] = Seen(both, Shaken(clips, pixels=shaken))
        if copies is not None:
            asked[f"{name}, copies"] = Seen(both, copies, chosen)
    features = extract_features(asked, paths, clip, clips=clips, cache=cache, **settings)
    facts: dict[str, Any] | None = None
    if copies is not None:
        facts = {"windows": copies.windows * len(chosen), "copies": copies.copies, "shrinkage": SHRINKAGE}
        facts |= {"transductive": transductive, "left_out": None}
    return {name: _gathered(name, encoder, features, orders, copies, facts) for name, encoder in encoders.items()}


def _gathered(
    name: str,
    encoder: OpenedEncoder,
    features: Features,
    orders: Sequence[Order],
    copies: Copies | None,
    facts: Mapping[str, Any] | None,
) -> Gathered:
    seen = features.values
    facts = None if facts is None else dict(facts)

    def representation(part: slice) -> Representation:
        whitening = None
        if copies is not None and facts is not None:
            views = seen[f"{name}, copies"][..., part].unflatten(1, (copies.windows, copies.copies))
            try:
                whitening = Whitening.fit(views.permute(2, 0, 1, 3).flatten(1, 2).numpy(), SHRINKAGE)
            except DataError as error:
                facts["left_out"] = str(error)
        jittered, shook = (seen.get(f"{name}, {how}") for how in ("jittered", "shaken"))
        if jittered is not None:
            jittered = jittered.view(len(jittered), -1, jittered.shape[-1])  # also of a single round
        conditions = (None if values is None else values[..., part] for values in (jittered, shook))
        return Representation(seen[name][..., part], whitening, *conditions)

    several = _has_pooled_too(encoder)
    width = encoder.module.features if several else seen[name].shape[1]
    readout = representation(slice(0, width))
    pooled = representation(slice(width, None)) if several else readout
    return Gathered(features, readout, pooled, {order: seen[_altered(name, order)] for order in orders}, facts)


def _has_pooled_too(encoder: OpenedEncoder) -> bool:
    """Whether an encoder has pooled features beside those that it gives."""
    return isinstance(encoder.module, VideoEncoder) and encoder.module.reader is not None


def _altered(name: str, order: Order) -> str:
    return f"{name} with frames {order}"


def fitted_on(positions: Sequence[int]) -> tuple[tuple[int, ...], Copies]:
    """The videos, of those at ``positions``, whose windows a whitening is fitted on, and how many windows of each.

    All of them, or :data:`WINDOWS` drawn at random but the same each time.
    """
    drawn = np.random.default_rng(0).permutation(len(positions))[:WINDOWS]
    chosen = tuple(sorted(positions[place] for place in drawn.tolist()))
    return chosen, Copies(windows=min(OF_A_VIDEO, -(-WINDOWS // len(chosen))))


def open_asked(
    spec: str | Path,
    readout: Mapping[str, Any] | None = None,
    clip: Mapping[str, Any] | None = None,
    *,
    like: str | Path | None = None,
    seed: int = 0,
) -> tuple[OpenedEncoder, ClipConfig]:
    """An encoder and the clips that it is to see.

    Args:
        spec: the encoder, as :func:`kinema.models.open_encoder` takes it.
        readout: settings by name in place of the encoder's own.
        clip: settings by name in place of what the encoder was made for.
        like: with ``random``, a run whose architecture, clips and readout to take.
        seed: with ``random``, of the weights.

    Raises:
        ConfigError: there is no such setting; or as of :func:`kinema.models.open_encoder`.
        CheckpointError: as of :func:`kinema.models.open_encoder`.
    """
    opened = open_encoder(spec, like=like, seed=seed)
    if readout is not None:
        usual = opened.module.readout if isinstance(opened.module, VideoEncoder) else ReadoutConfig()
        opened = open_encoder(spec, like=like, seed=seed, readout=overlaid("readout", usual, readout))
    return opened, overlaid("clip", opened.clip, clip or {})
