"""What evaluations, trainings and examples of labels are asked for: each field is an option of their commands.

They stand apart from the other settings (and are not among the names of :mod:`kinema.config`), since their numbers are
of the kinds that the command line checks, whose library the others do without.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jsonargparse.typing import NonNegativeFloat, NonNegativeInt, PositiveInt

from kinema.config.methods import Motion
from kinema.config.videos import BenchmarkName
from kinema.errors import ConfigError

Protocol = Literal["retrieval", "knn", "probe", "few-label", "pairs", "diagnosis", "all"]
"""What can be evaluated; ``all`` is every other one that the data allow."""

Split = Literal["auto", "split", "group", "video"]
"""How videos are held out: by the table's column ``split``, one group at a time, or one video at a time; ``auto`` takes
the first of these that the table allows."""

TrainingSplit = Split | Literal["none"]
"""The same of what is trained with labels; ``none`` holds nothing out."""

Precision = Literal["auto", "32"]
"""``auto``: bfloat16 autocast where it helps on the device; ``32``: single precision."""


@dataclass(frozen=True)
class LabelConfig:
    """Where the labels of videos come from.

    Attributes:
        labels: CSV file with a column of file names relative to the folder, the labels and perhaps split (train or
            test), and start and end (seconds) of parts of videos; or another tool's file of intervals; class folders by
            default.
        benchmark: a standard benchmark, whose official lists take the place of labels.
        fold: of a benchmark that has several.
        annotations: folder of the benchmark's official lists; looked for in and beside the folder by default.
        max_missing: share of a benchmark's train or test videos, from 0 to 1, that may be missing; what is normal for
            it by default.
        label_column: column to predict.
        group_column: column whose groups (subjects, source videos) never stand on both sides of a comparison.

    Raises:
        ConfigError: settings of a benchmark without its name, or labels beside it.
    """

    labels: str | Path | None = None
    benchmark: BenchmarkName | None = None
    fold: PositiveInt = 1
    annotations: str | Path | None = None
    max_missing: float | None = None
    label_column: str = "label"
    group_column: str | None = None

    def __post_init__(self) -> None:
        if self.benchmark is None:
            if (self.fold, self.annotations, self.max_missing) != (1, None, None):
                raise ConfigError("--fold, --annotations and --max-missing belong to --benchmark; name one with it")
        elif (self.labels, self.label_column, self.group_column) != (None, "label", None):
            raise ConfigError(
                "--benchmark brings labels and groups of its own; leave out --labels, --label-column and --group-column"
            )


@dataclass(frozen=True)
class FeatureConfig:
    """How features of videos are made.

    Attributes:
        readout: settings of the readout in place of the encoder's.
        clip: settings of the clips in place of what the encoder was made for.
        clips: clips per video, whose features are averaged.
        batch_size: clips per forward pass.
        workers: processes that decode video; one less than there are cores by default.
        device: auto, cpu, cuda, cuda:1, ...
        precision: auto uses bfloat16 where it is quicker.
        cache: folder in which features are kept and looked for; features, beside the result, by default.
        cluster: let a Ray cluster read the videos and compute the features: auto (that of this machine), an address, or
            local; docs/cluster.md.
    """

    readout: dict[str, Any] | None = None
    clip: dict[str, Any] | None = None
    clips: PositiveInt = 10
    batch_size: PositiveInt = 64
    workers: NonNegativeInt | None = None
    device: str = "auto"
    precision: Precision = "auto"
    cache: str | Path | None = None
    cluster: str | None = None

    @property
    def extraction(self) -> dict[str, Any]:
        """Those of :func:`kinema.evaluation.extract_features`, by name."""
        names = ("clips", "batch_size", "workers", "device", "precision", "cache", "cluster")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class EvaluationConfig(FeatureConfig, LabelConfig):
    """How an encoder is evaluated on labelled videos.

    Attributes:
        label_column: column to predict; for diagnosis, that of the motion.
        appearance_column: for diagnosis and all, column that tells how a video looks, whatever moves in it.
        split: how videos are held out; auto takes the split column, else the groups, else one video at a time.
        per_class: for few-label and all, labelled videos of each class; [1, 5, 10] by default.
        samples: for few-label and all, labelled videos in all, such as [1000]; none by default.
        draws: for few-label and all, how often the labelled videos are drawn; 5 by default.
        pairs: for pairs and all, names of classes two by two, such as [[left, right]]; those of opposite names (left
            and right, in and out, ...) by default.
        jitter: for retrieval and all, see the videos through shifted crops too, so many times; 8 if no number is given.
            For small sets, since the mean is less noisy.
        shaken: for retrieval and all, see them shaken as by a hand too, by so many pixels (standard deviation); 0.3 if
            no number is given.
        readout: settings of the readout in place of the encoder's, such as --readout.stage layer3 or
            --readout '{stage: layer3, grid: [1, 6, 4], moments: true}'.
        clip: settings of the clips in place of what the encoder was made for, such as --clip.center_crop '[128, 212]'
            --clip.center_seconds 1.6.
        like: with random, a run whose architecture and clips to take; those of the settings without a preset by
            default.
        seed: with random, of the weights.
    """

    appearance_column: str | None = None
    split: Split = "auto"
    per_class: tuple[PositiveInt, ...] | None = None
    samples: tuple[PositiveInt, ...] | None = None
    draws: PositiveInt | None = None
    pairs: tuple[tuple[str, str], ...] | None = None
    jitter: PositiveInt | None = None
    shaken: NonNegativeFloat | None = None
    like: str | Path | None = None
    seed: NonNegativeInt = 0


@dataclass(frozen=True)
class FinetuneTask(LabelConfig):
    """What a network is trained to recognise, and what it begins with.

    Attributes:
        group_column: column whose groups (subjects, source videos) are never both trained on and tested.
        split: how videos are held out; auto takes the split column, else one group at a time, else five parts; none
            trains on all of them, and tests nothing.
        per_class: videos of each class to train on, drawn by the seed; all by default.
        samples: videos to train on in all, as even over the classes as they allow, drawn by the seed; all by default.
        motion: hcml adds its motion hierarchy to the network and its losses to the cross-entropy.
        weights: what to begin with, as for pretrain: its architecture counts instead of the settings under model; none
            by default.
    """

    split: TrainingSplit = "auto"
    per_class: PositiveInt | None = None
    samples: PositiveInt | None = None
    motion: Motion = "none"
    weights: str | Path | None = None


@dataclass(frozen=True)
class MonitorConfig:
    """What is measured of an encoder while it is trained without labels.

    Attributes:
        monitor: folder of labelled videos, or synthetic for generated ones: on the way it is measured how often a
            video's nearest one is of its class (R@1), and the best encoder is kept as best.safetensors. Nothing by
            default.
        monitor_labels: CSV file of the monitor's labels; class folders by default.
        monitor_column: column of its labels.
        monitor_every: steps from one measurement to the next.

    Raises:
        ConfigError: there are labels and no folder.
    """

    monitor: str | Path | None = None
    monitor_labels: str | Path | None = None
    monitor_column: str = "label"
    monitor_every: PositiveInt = 200

    def __post_init__(self) -> None:
        if self.monitor is None and self.monitor_labels is not None:
            raise ConfigError("--monitor-labels are those of a folder: name it by --monitor")


Order = Literal["confident", "random"]
"""In which order labels are looked at."""


@dataclass(frozen=True)
class ExamplesConfig:
    """Which labels stand for their class.

    Attributes:
        count: examples of a class, spread over its videos.
        order: confident (the most confident first; those that people gave before all others), or random.
        seed: of the random order.
    """

    count: PositiveInt = 6
    order: Order = "confident"
    seed: int = 0
