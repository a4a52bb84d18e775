"""Pairs of clips of one video, with their flow, cut alike: what contrastive training reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from kinema.config import AugmentConfig, SamplingConfig
from kinema.data.fields import ClipReader, positions_per_step
from kinema.data.mds import ByVideo
from kinema.data.sampler import Draw
from kinema.errors import KinemaError, blaming
from kinema.flow import crop_resize, crop_resize_flow, key_start
from kinema.video import ManifestEntry
from kinema.video.frame_cache import AnyVideo


class Unread(NamedTuple):
    """What there is in place of an example that could not be made."""

    video: int
    """Position of the video in the data set."""
    reason: str
    """Why it, or its flow, could not be read."""


class Batch(TypedDict, total=False):
    """A clip or two of each of B videos."""

    video: Tensor
    """(B,) positions in the data set."""
    query: Tensor
    """(B, 3, T, H, W) uint8."""
    key: Tensor
    """(B, 3, T, H, W) uint8; present if asked for."""
    query_flow: Tensor
    """(B, 2, T/2, H, W) float16, pixels per flow step, of every second frame; present if asked for."""
    key_flow: Tensor
    """As ``query_flow``, for the key."""
    flow_seconds: Tensor
    """(B,) float32: the time that each video's flow fields span; present with them."""
    label: Tensor
    """(B,) int64: the class of each video; present if there are labels."""
    failed: dict[int, Unread]
    """The places of the batch whose videos could not be read; B does not count them. Present if there are any."""


@dataclass(eq=False, repr=False)
class ClipPairs(Dataset[Batch | Unread]):
    """Draws a query and a key clip from a video and cuts, scales and flips each of them, RGB and flow alike.

    An example is a pure function of its :class:`~kinema.data.sampler.Draw`.

    Attributes:
        entries: the videos.
        reader: reads their clips.
        sampling: which clips are drawn.
        augment: the random crop and flip.
        with_flow: whether flow is wanted.
        with_key: whether a key clip is wanted.
        kept: for each video the grid positions at which clips may start, ascending, or why they could not be found;
            None for all (see :mod:`kinema.data.mds`).
        pairs_from: the first step that looks at keys and flow; examples of earlier ones are query clips alone.
        labels: (N,) the class of each video; None for none.
    """

    entries: Sequence[ManifestEntry]
    reader: ClipReader
    sampling: SamplingConfig
    augment: AugmentConfig
    with_flow: bool
    kept: ByVideo | None = None
    pairs_from: int = 0
    labels: Sequence[int] | None = None
    with_key: bool = True

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, draw: Draw) -> Batch | Unread:
        try:
            return self._example(draw)
        except KinemaError as error:  # raised in a worker it would come out as a traceback in a string
            return Unread(draw.video, str(error))

    def _example(self, draw: Draw) -> Batch:
        entry = self.entries[draw.video]
        rng = np.random.default_rng(draw.seed)
        query, key = self._places(draw.video, rng)
        whole = draw.step >= self.pairs_from
        paired, with_flow = whole and self.with_key, whole and self.with_flow
        subject = 0 if self.reader.clip.crop is None else int(rng.integers(1 << 16))  # the same in query and key
        with blaming(entry.path), self.reader.open(entry) as video:
            places = (query,) if query == key or not paired else (query, key)
            clips = [self._read(video, entry, place, with_flow, subject) for place in places]
        frames = torch.stack([clip for clip, _ in clips])
        size = self.reader.clip.size
        boxes = torch.stack([random_box(frames.shape[3:], size, self.augment, rng) for _ in range(1 + paired)])
        flips = torch.from_numpy(rng.random(1 + paired) < self.augment.flip)
        views = crop_resize(frames, boxes, size, flips).mul_(255).round_().to(torch.uint8)
        example: Batch = {"video": torch.tensor(draw.video), "query": views[0]}
        if self.labels is not None:
            example["label"] = torch.tensor(self.labels[draw.video])
        if paired:
            example["key"] = views[1]
        fields = [flow for _, flow in clips if flow is not None]
        if fields:
            cut = crop_resize_flow(torch.stack(fields), boxes, size, flips).half()
            example["query_flow"] = cut[0]
            if paired:
                example["key_flow"] = cut[1]
            example["flow_seconds"] = torch.tensor(self.reader.flow_seconds(entry))
        return example

    def _read(
        self, video: AnyVideo, entry: ManifestEntry, place: tuple[int, int], with_flow: bool, subject: int
    ) -> tuple[Tensor, Tensor | None]:
        """Frames (3, T, H, W) uint8 of a clip, and its flow (2, S, H, W) if wanted."""
        flow = None
        if with_flow:
            frames, fields = self.reader.frames_and_flow(video, entry, *place, subject)
            flow = torch.from_numpy(fields).transpose(0, 1)
        else:
            frames = self.reader.frames(video, entry, *place, subject)
        return torch.from_numpy(frames).permute(3, 0, 1, 2), flow

    def _places(self, video: int, rng: np.random.Generator) -> tuple[tuple[int, int], tuple[int, int]]:
        """Grid position and pace of the query and the key (MSCL, section 3.4; design of the shift: the released code;
        paces are ours)."""
        (pace, kept), (key_pace, key_kept) = self._paced(video, rng), self._paced(video, rng)
        query = int(kept[rng.integers(len(kept))])
        reach = self.sampling.key_shift * self.reader.clip.frames * positions_per_step(self.reader.clip)
        return (query, pace), (key_start(query, key_kept, rng.uniform(-reach, reach)), key_pace)

    def _paced(self, video: int, rng: np.random.Generator) -> tuple[int, Tensor]:
        """A pace at which a clip fits into a video, and the grid positions where it may start."""
        starts = {pace: self.reader.starts(self.entries[video], pace) for pace in self.sampling.paces}
        fitting = [pace for pace, count in starts.items() if count > 0] or [min(starts)]
        pace = fitting[0] if len(fitting) == 1 else fitting[rng.integers(len(fitting))]
        if self.kept is None:
            return pace, torch.arange(max(1, starts[pace]))
        kept = self.kept[video]
        if isinstance(kept, KinemaError):
            raise kept
        return pace, kept


def random_box(
    frame: tuple[int, ...], size: tuple[int, int], augment: AugmentConfig, rng: np.random.Generator
) -> Tensor:
    """A random crop of about the aspect ratio of ``size``: top, left, height, width in pixels, shape (4,).

    Args:
        frame: height and width of the frame.
        size: height and width of what it will be scaled to.
        augment: smallest area, as a share of the largest crop of that aspect ratio, and range of the aspect ratio.
        rng: source of the draw.
    """
    limit = math.log(augment.aspect)
    ratio = size[1] / size[0] * math.exp(rng.uniform(-limit, limit))  # width by height
    whole = min(frame[0] * size[1] / size[0], frame[1]) * min(frame[1] * size[0] / size[1], frame[0])
    area = rng.uniform(augment.min_area, 1.0) * whole
    height, width = min(math.sqrt(area / ratio), frame[0]), min(math.sqrt(area * ratio), frame[1])
    top, left = rng.uniform(0, frame[0] - height), rng.uniform(0, frame[1] - width)
    return torch.tensor([top, left, height, width])


def collate(examples: list[Batch | Unread]) -> Batch:
    """Stack examples to a batch; those that could not be made are named beside it, by their place."""
    read = [example for example in examples if not isinstance(example, Unread)]
    batch: Batch = default_collate(read) if read else {}
    if len(read) < len(examples):
        batch["failed"] = {slot: example for slot, example in enumerate(examples) if isinstance(example, Unread)}
    return batch
