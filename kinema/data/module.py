"""The training data as Lightning wants it."""

from __future__ import annotations

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
from kinema.data.plan import Plan
from kinema.data.sampler import EpochSampler
from kinema.errors import DataError
from kinema.video import ManifestEntry


class ClipPairsModule(L.LightningDataModule):
    """Clip pairs of videos; can go on in the middle of an epoch.

    Args:
        folder: what the paths of ``entries`` are relative to.
        entries: videos that are long enough for a clip.
        config: the run's settings.
        plan: how it goes over the videos.
        out: folder of the run, for the scores of Motion Differential Sampling where there is no flow store.
        with_flow: whether clips come with flow.
        pairs_from: the first step that looks at keys and flow; in earlier ones a batch is query clips alone.
        labels: (N,) the class of each video; None for none.

    Raises:
        ConfigError: the flow store was made with other settings.
    """

    def __init__(
        self,
        folder: str | Path,
        entries: Sequence[ManifestEntry],
        config: TrainConfig,
        plan: Plan,
        out: str | Path,
        *,
        with_flow: bool,
        pairs_from: int = 0,
        labels: Sequence[int] | None = None,
    ):
        super().__init__()
        self.entries = entries
        self.config = config
        self.plan = plan
        self.with_flow = with_flow
        self.pairs_from = pairs_from
        self.labels = labels
        self.reader = ClipReader(folder, config.clip, config.flow, config.trainer.hold_mib)
        self.out = self.reader.store.folder if self.reader.store is not None else Path(out)
        self.prepare_data_per_node = False
        self.kept: list[Tensor] | None = None

    def names(self, videos: Tensor) -> list[str]:
        """The files of a batch's ``video`` positions."""
        return [str(self.reader.folder / self.entries[index].path) for index in videos.tolist()]

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
        """Read the scores of Motion Differential Sampling."""
        scores = self._scores()
        if scores is not None:
            self.kept = sample_by_motion(self.reader, self.entries, scores)

    def clips_seen(self, steps: int) -> int:
        """Clips that the first so many steps of the run look at, over all processes."""
        pairs = max(0, steps - self.pairs_from)
        return (steps + pairs) * self.plan.batch_size * self.plan.processes

    def train_dataloader(self) -> DataLoader[Batch]:
        """The loader, beginning at the trainer's place in its epoch."""
        trainer, settings = self.trainer, self.config.trainer
        assert trainer is not None
        sampler = EpochSampler(self.plan, self.config.seed, trainer.global_rank)
        sampler.start_at(trainer.global_step)
        sampling, augment = self.config.sampling, self.config.augment
        pairs = ClipPairs(
            self.entries, self.reader, sampling, augment, self.with_flow, self.kept, self.pairs_from, self.labels
        )
        return make_loader(
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
