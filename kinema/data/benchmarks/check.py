"""Whether a folder is ready for a benchmark: what is there, what is missing, what cannot be read, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kinema.data.benchmarks.description import SIDES, Benchmark
from kinema.data.benchmarks.survey import Survey, survey
from kinema.errors import DataError, first_few
from kinema.video.manifest import UNREADABLE
from kinema.video.manifest_files import read_manifest
from kinema.video.scan import probe_files


@dataclass(frozen=True)
class Checked:
    """What a folder holds of a benchmark.

    Attributes:
        surveys: one for each fold.
        unreadable: why a video cannot be read, by its path relative to the folder.
        fully: whether videos were decoded in full, not only opened.
    """

    surveys: tuple[Survey, ...]
    unreadable: dict[str, str]
    fully: bool

    @property
    def ready(self) -> bool:
        """Whether the evaluation takes every fold as it is, and no listed video is known to be unreadable."""
        return not self._to_do()

    @property
    def missing(self) -> list[str]:
        """The names of all listed videos that are not there, sorted."""
        return sorted({row.name for found in self.surveys for side in SIDES for row in found.missing(side)})

    def summary(self) -> str:
        """All of it in a screen of text."""
        first = self.surveys[0]
        there = _listed_files(self.surveys)
        how = "decoded in full by kinema scan" if self.fully else "opened, their first frames decoded"
        lines = [
            f"{first.benchmark.title}: {len(there)} of its videos are in {first.root}, {how}; "
            f"{len(first.files) - len(there)} others are passed over",
            f"lists: {first.lists}; tested is the official {first.benchmark.test_is} part",
            *(line for found in self.surveys for line in self._of_fold(found)),
        ]
        if self.missing:
            lines.append(f"missing: {first_few(self.missing)}")
        if self.unreadable:
            reasons = [f"{path} ({reason})" for path, reason in sorted(self.unreadable.items())]
            lines.append(f"unreadable: {first_few(reasons)}")
        name, root = first.benchmark.name, first.root
        ready = f"ready: kinema evaluate retrieval RUN --data {root} --benchmark {name} --out figures.json"
        return "\n".join([*lines, *([f"to do: {task}" for task in self._to_do()] or [ready])])

    def _of_fold(self, found: Survey) -> Iterator[str]:
        for side in SIDES:
            listed, missing = len(found.of(side)), len(found.missing(side))
            bad = sum(found.file(row) in self.unreadable for row in found.of(side))
            part = f"fold {found.fold} {side}"
            yield f"{part:14}{listed:8} listed {listed - missing:8} found {missing:8} missing {bad:8} unreadable"

    def _to_do(self) -> list[str]:
        """What keeps the folder from being ready; of the folds' problems, which are much alike, the first."""
        problems = []
        for found in self.surveys:
            try:
                found.labelled()
            except DataError as error:
                problems.append(str(error))
        unreadable = ["unpack or download the unreadable videos anew, or take them away"] if self.unreadable else []
        return [*problems[:1], *unreadable]


def check(
    benchmark: Benchmark,
    root: str | Path,
    annotations: str | Path | None = None,
    *,
    manifest: str | Path | None = None,
    workers: int | None = None,
) -> Checked:
    """Look for all videos of a benchmark, and into those that are there.

    Args:
        benchmark: the data set; all its folds are looked for.
        root: the folder, searched with all folders in it.
        annotations: the folder of the official lists; None to look in the usual places.
        manifest: what ``kinema scan`` wrote of the folder; None to open every listed video and decode its first frame.
        workers: videos opened at the same time; None for as many as there are processor cores.

    Raises:
        DataError: there is no such folder; lists are missing or not this data set's; two files have the name of one
            video; the manifest is none.
    """
    surveys = survey(benchmark, root, benchmark.folds, annotations)
    wanted = _listed_files(surveys)
    if manifest is None:
        unreadable = probe_files(Path(root), wanted, workers=workers)
    else:
        unreadable = _from_manifest(Path(manifest), wanted)
    return Checked(tuple(surveys), unreadable, fully=manifest is not None)


def _listed_files(surveys: Sequence[Survey]) -> list[str]:
    """The files of the videos of any fold, sorted."""
    return sorted({file for found in surveys for row in found.listed if (file := found.file(row)) is not None})


def _from_manifest(path: Path, wanted: Sequence[str]) -> dict[str, str]:
    asked = set(wanted)
    entries = {entry.path: entry for entry in read_manifest(path) if entry.path in asked}
    if unknown := [file for file in wanted if file not in entries]:
        raise DataError(f"{path} does not hold {first_few(unknown)}; write it anew with `kinema scan`")
    return {file: entries[file].error for file in wanted if entries[file].status == UNREADABLE}
