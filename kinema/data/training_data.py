"""The data of a training: what is made before it, its batches, and which videos are left out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed

from kinema.common.addresses import shown
from kinema.common.processes import anywhere, rank_and_count
from kinema.common.streams import in_one_line
from kinema.config import TrainConfig
from kinema.data.extraction import extract_flow
from kinema.data.fields import ClipReader
from kinema.data.left_out import LeftOut, Mender
from kinema.data.loader import make_loader
from kinema.data.mds import Kept, MotionScores, score_videos
from kinema.data.pairs import Batch, ClipPairs, collate
from kinema.data.plan import Plan
from kinema.data.sampler import EpochSampler
from kinema.errors import DataError
from kinema.video import Manifest, ManifestEntry


class TrainingData:
    """Clip pairs of videos; can go on in the middle of an epoch.

    Args:
        folder: what the paths of ``entries`` are relative to.
        entries: videos that are long enough for a clip.
        config: the run's settings.
        plan: how it goes over the videos.
        out: folder of the run, for the scores of Motion Differential Sampling where there is no flow store.
        with_flow: whether clips come with flow.
        with_key: whether they come with a key clip.
        pairs_from: the first step that looks at keys and flow; in earlier ones a batch is query clips alone.
        labels: (N,) the class of each video; None for none.

    Raises:
        ConfigError: the flow store was made with other settings.
    """

    def __init__(
        self,
        folder: str | Path,
        entries: Iterable[ManifestEntry],
        config: TrainConfig,
        plan: Plan,
        out: str | Path,
        *,
        with_flow: bool,
        with_key: bool = True,
        pairs_from: int = 0,
        labels: Sequence[int] | None = None,
    ):
        self.entries = Manifest.of(entries)
        self.config = config
        self.plan = plan
        self.with_flow = with_flow
        self.with_key = with_key
        self.pairs_from = pairs_from
        self.labels = labels
        self.reader = ClipReader(folder, config.clip, config.flow, config.trainer.hold_mib)
        self.out = self.reader.store.folder if self.reader.store is not None else Path(out)
        self.left_out: list[LeftOut] = []

    @cached_property
    def entries_sha256(self) -> str:
        """A fingerprint of the videos, by their paths and sizes."""
        return self.entries.sha256("path", "bytes")

    def names(self, videos: Tensor) -> list[str]:
        """The files of a batch's ``video`` positions."""
        return [shown(self.reader.folder / self.entries[index].path) for index in videos.tolist()]

    def prepare(self) -> None:
        """Extract what the flow store lacks, and score the videos for Motion Differential Sampling; in one process.

        One of all nodes': they share the store and the run's folder.

        Videos of which that fails are left out when it is their turn.

        Raises:
            DataError: flow of more videos cannot be extracted than may be left out.
            OutputError: the store or the scores cannot be written.
        """
        config, reader = self.config, self.reader
        wanted = self.with_flow or config.sampling.mds is not None
        if reader.store is not None and wanted and not all(map(reader.store.has, self.entries.paths())):
            device = "cpu" if config.trainer.accelerator == "cpu" else "auto"
            done = extract_flow(reader, self.entries, workers=config.trainer.workers, device=device)
            if len(done.failures) > config.trainer.max_bad_share * len(self.entries):
                path, reason = done.failures[0]
                raise DataError(
                    f"the flow of {len(done.failures)} videos cannot be extracted (first {path}: {reason}); "
                    f"mend or remove what {done.report} lists, or allow a larger trainer.max_bad_share"
                )
        self._scores()

    def _scores(self) -> MotionScores | None:
        variant, workers = self.config.sampling.mds, self.config.trainer.workers
        if variant is None:
            return None
        return score_videos(self.reader, self.entries, variant, self.out / f"mds-{variant}.parquet", workers)

    def clips_seen(self, steps: int) -> int:
        """Clips that the first so many steps of the run look at, over all processes."""
        pairs = max(0, steps - self.pairs_from) if self.with_key else 0
        return (steps + pairs) * self.plan.batch_size * self.plan.processes

    def batches(self, at: Callable[[], int]) -> Iterator[Batch]:
        """This process's batches of the steps that ``at()`` says, on and on, without the videos that have broken.

        Raises:
            Broken: more videos have than may be left out.
        """
        sampler = EpochSampler(self.plan, self.config.seed, rank_and_count()[0], at)
        settings, sampling, augment = self.config.trainer, self.config.sampling, self.config.augment
        scores = self._scores()
        kept = None if scores is None else Kept(self.reader, self.entries, scores)
        pairs = ClipPairs(
            self.entries,
            self.reader,
            sampling,
            augment,
            self.with_flow,
            kept,
            self.pairs_from,
            self.labels,
            self.with_key,
        )
        gone = {left.path for left in self.left_out}  # by an earlier call of the same run
        for place, path in enumerate(self.entries.paths() if gone else ()):
            if path in gone:
                sampler.leave_out(place)
        mender = Mender(pairs, sampler, settings.max_bad_share, self._agree, self._tell)
        loader = make_loader(
            pairs,
            settings.workers,
            batch_size=self.plan.batch_size,
            sampler=sampler,
            drop_last=True,
            collate_fn=collate,
            persistent_workers=settings.workers > 0,
            prefetch_factor=4 if settings.workers else None,
            pin_memory=torch.cuda.is_available(),
        )
        while True:
            for batch in loader:  # of the rest of an epoch
                yield mender.mend(batch, at())

    def _agree(self, failed: Mapping[int, str]) -> Mapping[int, str]:
        if not anywhere(bool(failed))[0] or self.plan.processes == 1:
            return failed
        everyone: list[Mapping[int, str]] = [{}] * self.plan.processes
        distributed.all_gather_object(everyone, failed)
        return {video: reason for told in everyone for video, reason in told.items()}

    def _tell(self, left: LeftOut) -> None:
        self.left_out.append(left)
        if rank_and_count()[0] == 0:
            count = f"{len(self.left_out)} of {len(self.entries)} videos so far"
            print(in_one_line(f"left out ({count}): {left}"), file=sys.stderr, flush=True)

    def state_dict(self) -> dict[str, Any]:
        """What is left out, for the checkpoint."""
        return {"left_out": [asdict(left) for left in self.left_out]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Leave out what an earlier call of the same run did, when the loader is made."""
        self.left_out = [LeftOut(**left) for left in state_dict["left_out"]]
