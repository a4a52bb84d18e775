"""The features of videos, by the machines of a cluster: in the batches that one machine would make of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kinema.boxes.box import MOTION
from kinema.common.addresses import absolute
from kinema.common.cluster import Lost, ask, spread
from kinema.config import ClipConfig
from kinema.errors import ConfigError
from kinema.evaluation.batches import Arithmetic, Made, Seeing, Wanted, arithmetic
from kinema.evaluation.table import Seen

Batch = Sequence[Wanted]


def arithmetic_of(cluster: str, device: str, precision: str) -> Arithmetic:
    """As :func:`~kinema.evaluation.batches.arithmetic`, on a machine of a cluster.

    Raises:
        ConfigError: there is no such device there, or no such cluster.
    """
    found = ask(cluster, arithmetic, device, precision, gpus=device != "cpu")
    assert isinstance(found, Arithmetic)
    return found


def see_on_cluster(
    cluster: str,
    asked: Mapping[str, Seen],
    clip: ClipConfig,
    batches: Sequence[Batch],
    how: Arithmetic,
    batch_size: int,
    device: str,
    precision: str,
) -> Iterator[Made]:
    """What comes of batches, as each is done.

    A batch is the unit of work, so that a feature is rounded as on one machine. Where workers are lost over one, its
    videos are tried one by one, and those over which they are lost again cannot be used.

    Args:
        cluster: its address.
        asked: the encoders and their looks, by name.
        clip: the clips' geometry.
        batches: of videos.
        how: all machines have to compute.
        batch_size: clips per forward pass.
        device: by which they know, as they do by ``precision``.
        precision: as of :func:`~kinema.evaluation.batches.arithmetic`.

    Raises:
        ConfigError: there is no such cluster, or a machine of it does not see the videos, or computes otherwise.
    """
    batches = [[replace(video, path=absolute(video.path)) for video in batch] for batch in batches]
    folders = [os.path.dirname(video.path) for batch in batches for video in batch]
    shared = [Path(os.path.commonpath(folders))] if folders else []
    if clip.crop not in (None, MOTION):
        clip = replace(clip, crop=absolute(clip.crop))
        shared.append(Path(clip.crop or ""))
    arguments = asked, clip, how, batch_size, device, precision
    while batches:
        alone: list[Batch] = []
        for batch, found in spread(cluster, batches, Looking, arguments, shared=shared, gpus=device != "cpu"):
            if isinstance(found, Made):
                yield found
            elif not isinstance(found, Lost):
                raise found
            elif len(batch) > 1:
                alone += [[video] for video in batch]
            else:
                yield Made({batch[0].position: f"{batch[0].path}: {found}"}, {}, {}, 0.0)
        batches = alone


class Looking:
    """What a worker of a cluster does: it reads the videos of a batch, and has encoders see them.

    Raises:
        ConfigError: its machine computes otherwise than others.
    """

    def __init__(
        self,
        asked: Mapping[str, Seen],
        clip: ClipConfig,
        how: Arithmetic,
        batch_size: int,
        device: str,
        precision: str,
    ):
        own = arithmetic(device, precision)
        if (own.device.type, own.precision) != (how.device.type, how.precision):
            raise ConfigError(
                f"it computes on {own.device.type} in {own.precision}, and others on {how.device.type} in "
                f"{how.precision}; say --device cpu --precision 32, or use machines of one kind"
            )
        self._see = Seeing(asked, clip, own, batch_size)

    def __call__(self, batch: Batch) -> Made:
        """The features of a batch."""
        begun, clips = time.perf_counter(), self._see.clips(batch)
        reads = [clips[number] for number in range(len(clips))]
        return self._see(batch, reads, time.perf_counter() - begun)
