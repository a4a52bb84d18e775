"""The training data as Lightning wants it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from kinema.config import TrainConfig
from kinema.data.extraction import extract_flow, missing_flow
from kinema.data.fields import ClipReader
from kinema.data.loader import make_loader
from kinema.data.mds import sample_by_motion, score_videos
from kinema.data.pairs import Batch, ClipPairs, collate
from kinema.data.sampler import EpochSampler
from kinema.errors import DataError
from kinema.video import ManifestEntry

logger = logging.getLogger(__name__)


def clips_per_step(config: TrainConfig, videos: int, processes: int) -> int:
    """Clip pairs per process and step: as configured, or fewer, but at least 2, where there are fewer videos."""
    return max(2, min(config.trainer.batch_size, videos * config.sampling.clips_per_video // processes))


class ClipPairsModule(L.LightningDataModule):
    """Clip pairs of videos; can go on in the middle of an epoch.

    Args:
        folder: what the paths of ``entries`` are relative to.
        entries: videos that are long enough for a clip.
        config: the run's settings.
        out: folder of the run, for the scores of Motion Differential Sampling where there is no flow store.
        with_flow: whether clips come with flow.
        with_key: whether they come with a key clip.
        pairs_from: the first epoch that looks at keys and flow; in earlier ones a batch is query clips alone.
        labels: (N,) the class of each video; None for none.

    Raises:
        ConfigError: the flow store was made with other settings.
        DataError: fewer than two videos, which cannot be told apart.
    """

    def __init__(
        self,
        folder: str | Path,
        entries: Sequence[ManifestEntry],
        config: TrainConfig,
        out: str | Path,
        *,
        with_flow: bool,
        with_key: bool = True,
        pairs_from: int = 0,
        labels: Sequence[int] | None = None,
    ):
        super().__init__()
        if len(entries) < 2:
            raise DataError(f"{folder} holds {len(entries)} usable video; training needs at least 2: add videos")
        self.entries = entries
        self.config = config
        self.with_flow = with_flow
        self.with_key = with_key
        self.pairs_from = pairs_from
        self.labels = labels
        self.reader = ClipReader(folder, config.clip, config.flow, config.trainer.hold_mib)
        self.out = self.reader.store.folder if self.reader.store is not None else Path(out)
        self.prepare_data_per_node = False
        self.kept: list[Tensor] | None = None
        self.sampler: EpochSampler | None = None

    def names(self, videos: Tensor) -> list[str]:
        """The files of a batch's ``video`` positions."""
        return [str(self.reader.folder / self.entries[index].path) for index in videos.tolist()]

    def batch_size(self, processes: int) -> int:
        """Clip pairs per process and step."""
        return clips_per_step(self.config, len(self.entries), processes)

    def prepare_data(self) -> None:
        """Extract what the flow store lacks, and score the videos for Motion Differential Sampling; in one process.

        One of all nodes': they share the store and the run's folder.

        Raises:
            DataError: flow of some videos cannot be extracted.
            VideoError: a video cannot be read.
            OutputError: the store or the scores cannot be written.
        """
        config, reader = self.config, self.reader
        wanted = self.with_flow or config.sampling.mds is not None
        if reader.store is not None and wanted and missing_flow(reader, self.entries):
            device = "cpu" if config.trainer.accelerator == "cpu" else "auto"
            done = extract_flow(reader, self.entries, workers=config.trainer.workers, device=device)
            if done.failures:
                path, reason = done.failures[0]
                raise DataError(
                    f"the flow of {len(done.failures)} videos cannot be extracted (first {path}: {reason}); "
                    f"mend or remove what {done.report} lists"
                )
        self._scores()

    def _scores(self) -> list[Tensor] | None:
        variant, workers = self.config.sampling.mds, self.config.trainer.workers
        if variant is None:
            return None
        return score_videos(self.reader, self.entries, variant, self.out / f"mds-{variant}.safetensors", workers)

    def setup(self, stage: str) -> None:
        """Plan the epochs.

        Raises:
            DataError: there are too few videos for so many processes.
        """
        trainer, config = self.trainer, self.config
        assert trainer is not None
        batch_size = self.batch_size(trainer.world_size)
        if batch_size < config.trainer.batch_size:
            logger.warning("only %d videos: batches hold %d clips", len(self.entries), batch_size)
        draws = config.sampling.clips_per_video
        rank, processes = trainer.global_rank, trainer.world_size
        self.sampler = EpochSampler(len(self.entries), draws, batch_size, config.seed, rank, processes)
        scores = self._scores()
        if scores is not None:
            self.kept = sample_by_motion(self.reader, self.entries, scores)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of each process in an epoch."""
        assert self.sampler is not None, "setup() plans the epochs"
        return self.sampler.steps

    def clips_seen(self, steps: int) -> int:
        """Clips that the first so many steps of the run look at, over all processes."""
        assert self.sampler is not None and self.trainer is not None
        pairs = max(0, steps - self.pairs_from * self.steps_per_epoch) if self.with_key else 0
        return (steps + pairs) * self.sampler.batch_size * self.trainer.world_size

    def train_dataloader(self) -> DataLoader[Batch]:
        """The loader, beginning at the trainer's place in its epoch."""
        trainer, settings, sampler = self.trainer, self.config.trainer, self.sampler
        assert trainer is not None and sampler is not None
        sampler.start_at(trainer.global_step)
        sampling, augment = self.config.sampling, self.config.augment
        pairs = ClipPairs(
            self.entries,
            self.reader,
            sampling,
            augment,
            self.with_flow,
            self.kept,
            self.pairs_from,
            self.labels,
            self.with_key,
        )
        return make_loader(
            pairs,
            settings.workers,
            batch_size=sampler.batch_size,
            sampler=sampler,
            drop_last=True,
            collate_fn=collate,
            persistent_workers=settings.workers > 0,
            prefetch_factor=4 if settings.workers else None,
            pin_memory=torch.cuda.is_available(),
        )
