"""The features of batches of videos: which clips are read, and what encoders make of them, here or on a cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from kinema.boxes.box import MOTION
from kinema.common.addresses import absolute
from kinema.common.cluster import Lost, spread
from kinema.common.device import find_device
from kinema.common.precision import quick_bfloat16
from kinema.config import ClipConfig
from kinema.errors import ConfigError
from kinema.evaluation.reading import ClipsOfVideos, Read
from kinema.evaluation.store import Facts
from kinema.evaluation.table import Seen
from kinema.models.passes import evaluating, features_of


@dataclass(frozen=True)
class Arithmetic:
    """How encoders compute.

    Attributes:
        device: where.
        coarse: whether autocast to bfloat16 is on.
    """

    device: torch.device
    coarse: bool

    @property
    def precision(self) -> str:
        """In a word."""
        return "bfloat16" if self.coarse else "32"


def arithmetic(device: str, precision: str) -> Arithmetic:
    """How encoders are to compute on this machine.

    Args:
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", ...
        precision: ``auto``: bfloat16 autocast where it helps on the device; ``32``: single precision.

    Raises:
        ConfigError: there is no such ``device`` here.
    """
    on = find_device(device)
    return Arithmetic(on, precision == "auto" and quick_bfloat16(on))


@dataclass(frozen=True)
class Wanted:
    """A video that is to be seen.

    Attributes:
        position: among all.
        path: of the file.
        names: of the encoders that have yet to see it.
    """

    position: int
    path: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Made:
    """What came of a batch.

    Attributes:
        failed: why videos cannot be used, by position.
        facts: what reading the others told, by position.
        features: by the encoder's name, and by the position of the video.
        waited: seconds that the encoders waited for frames.
    """

    failed: Mapping[int, str]
    facts: Mapping[int, Facts]
    features: Mapping[str, Mapping[int, Tensor]]
    waited: float


@dataclass(frozen=True, eq=False)
class Seeing:
    """Encoders that look at batches of videos.

    Attributes:
        asked: the encoders and their looks, by name. They are put into evaluation mode for each batch.
        clip: the clips' geometry.
        how: they compute.
        batch_size: clips at a time.
    """

    asked: Mapping[str, Seen]
    clip: ClipConfig
    how: Arithmetic
    batch_size: int

    def clips(self, videos: Sequence[Wanted]) -> ClipsOfVideos:
        """What is to be read of some videos."""
        looks = [tuple(dict.fromkeys(self.asked[name].look for name in video.names)) for video in videos]
        return ClipsOfVideos([video.path for video in videos], self.clip, looks)

    def __call__(self, videos: Sequence[Wanted], reads: Sequence[Read | str], waited: float) -> Made:
        """The features of a batch.

        Args:
            videos: in it.
            reads: what :meth:`clips` gives of each.
            waited: seconds that this took.
        """
        both = list(zip(videos, reads, strict=True))
        good = [(video, read) for video, read in both if isinstance(read, Read)]
        features: dict[str, dict[int, Tensor]] = {}
        with evaluating(*(seen.encoder for seen in self.asked.values())):
            for name, seen in self.asked.items():
                seen.encoder.to(self.how.device)
                shown = {video.position: read for video, read in good if name in video.names}
                if shown:
                    features[name] = dict(zip(shown, self._features(seen, list(shown.values())), strict=True))
        return Made(
            failed={video.position: read for video, read in both if isinstance(read, str)},
            facts={video.position: read.facts for video, read in good},
            features=features,
            waited=waited,
        )

    def _features(self, seen: Seen, reads: Sequence[Read]) -> list[Tensor]:
        """Of each video (D,), or (variants, D) where a look has several.

        Those with several are computed a video at a time, so that no other video has a part in how they are rounded.
        """
        shown = [read.shown[seen.look] for read in reads]
        several = seen.look.variants > 1
        groups = [part.clips.flatten(0, 1) for part in shown]
        inputs = groups if several else [torch.cat(groups)]
        device, coarse = self.how.device, self.how.coarse
        outputs = [
            torch.cat([features_of(seen.encoder, part, device, coarse).cpu() for part in group.split(self.batch_size)])
            for group in inputs
        ]
        each = torch.cat(outputs).split([len(group) for group in groups])
        values = [part.features(output) for part, output in zip(shown, each, strict=True)]
        return values if several else [value[0] for value in values]


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
