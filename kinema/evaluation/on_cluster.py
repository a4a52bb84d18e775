"""The features of videos, by the machines of a cluster: in the batches that one machine would make of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from kinema.boxes import MOTION
from kinema.common.addresses import absolute
from kinema.common.cluster import Lost, spread
from kinema.errors import ConfigError
from kinema.evaluation.batches import Made, Seeing, Wanted, arithmetic

Batch = Sequence[Wanted]


def see_on_cluster(cluster: str, see: Seeing, batches: Sequence[Batch], device: str, precision: str) -> Iterator[Made]:
    """What comes of batches, as each is done.

    A batch is the unit of work, so that a feature is rounded as on one machine. Where workers are lost over one, its
    videos are tried one by one, and those over which they are lost again cannot be used.

    Args:
        cluster: its address.
        see: the encoders; all machines have to compute as it says.
        batches: of videos.
        device: by which they know, as they do by ``precision``.
        precision: as of :func:`~kinema.evaluation.batches.arithmetic`.

    Raises:
        ConfigError: there is no such cluster, or a machine of it does not see the videos, or computes otherwise.
    """
    batches = [[replace(video, path=absolute(video.path)) for video in batch] for batch in batches]
    folders = [os.path.dirname(video.path) for batch in batches for video in batch]
    shared = [Path(os.path.commonpath(folders))] if folders else []
    if see.clip.crop not in (None, MOTION):
        clip = replace(see.clip, crop=absolute(see.clip.crop))
        see = replace(see, clip=clip)
        shared.append(Path(clip.crop or ""))
    how = see, device, precision
    while batches:
        alone: list[Batch] = []
        for batch, found in spread(cluster, batches, looking, how, shared=shared, gpus=device != "cpu"):
            if isinstance(found, Made):
                yield found
            elif not isinstance(found, Lost):
                raise found
            elif len(batch) > 1:
                alone += [[video] for video in batch]
            else:
                yield Made({batch[0].position: f"{batch[0].path}: {found}"}, {}, {}, 0.0)
        batches = alone


def looking(see: Seeing, device: str, precision: str) -> Callable[[Batch], Made]:
    """What a worker of a cluster does: it reads the videos of a batch, and has encoders see them.

    Raises:
        ConfigError: its machine computes otherwise than others.
    """
    own, how = arithmetic(device, precision), see.how
    if (own.device.type, own.precision) != (how.device.type, how.precision):
        raise ConfigError(
            f"it computes on {own.device.type} in {own.precision}, and others on {how.device.type} in "
            f"{how.precision}; say --device cpu --precision 32, or use machines of one kind"
        )
    see = replace(see, how=own)

    def look(batch: Batch) -> Made:
        begun, clips = time.perf_counter(), see.clips(batch)
        reads = [clips[number] for number in range(len(clips))]
        return see(batch, reads, time.perf_counter() - begun)

    return look
