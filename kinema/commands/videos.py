"""Making videos and looking through folders of them, those of standard benchmarks too."""

from __future__ import annotations

from jsonargparse.typing import PositiveInt

from kinema.common.processes import available_cores
from kinema.common.streams import in_one_line
from kinema.config import BenchmarkName
from kinema.config.synthesis import SynthConfig
from kinema.errors import DataError


def synth(out: str, config: SynthConfig, workers: PositiveInt | None = None) -> None:
    """Write synthetic videos whose motion and appearance are independent, with labels and true flow.

    Args:
        out: folder to write.
        config: what they show.
        workers: processes that share the work; as many as there are cores by default.
    """
    from kinema.data.synthetic import synthesise

    print(synthesise(out, config, workers=workers or available_cores()))


def scan(
    folder: str, out: str = "manifest.csv", workers: PositiveInt | None = None, cluster: str | None = None
) -> None:
    """Decode every video of a folder once and write down what each one holds, and what is wrong with it.

    Args:
        folder: folder of videos, searched with all folders in it; or its address, such as s3://bucket/videos.
        out: file to write: a table that only programs read if it ends in .parquet, otherwise CSV; files that are as an
            earlier scan has noted there are not decoded again.
        workers: videos decoded at a time; as many as there are cores by default.
        cluster: let a Ray cluster decode: auto (that of this machine), an address, or local; docs/cluster.md.
    """
    from kinema.video import passed_over, scan_folder
    from kinema.video.manifest import STATUSES

    entries = scan_folder(folder, out, workers=workers, cluster=cluster)
    counts = dict.fromkeys(STATUSES, 0)
    for entry in entries:
        counts[entry.status] += 1
        if entry.error:
            print(in_one_line(f"{entry.status}: {entry.path}: {entry.error}"))
    if others := passed_over(folder):
        print(in_one_line(others))
    hours = entries.column("duration").sum() / 3600
    print(f"{out}: {len(entries)} videos, {', '.join(f'{n} {s}' for s, n in counts.items())}; {hours:.2f} h")


def check(
    name: BenchmarkName,
    root: str,
    annotations: str | None = None,
    manifest: str | None = None,
    missing: str | None = None,
    workers: PositiveInt | None = None,
) -> None:
    """Say what of a standard benchmark a folder holds, what is missing or unreadable, and what to do.

    Args:
        name: of the benchmark.
        root: folder of its videos, in whatever folders below.
        annotations: folder of its official lists; looked for in and beside the folder by default.
        manifest: what `kinema scan` wrote of the folder, which decodes videos in full; by default each one is opened
            and its first frame decoded, which is quick.
        missing: text file to write, with the name of every missing video.
        workers: videos opened at a time; as many as there are cores by default.
    """
    from kinema.common.files import write_text
    from kinema.data.benchmarks import get_benchmark
    from kinema.data.benchmarks.check import check

    found = check(get_benchmark(name), root, annotations, manifest=manifest, workers=workers)
    print(found.summary())
    if missing is not None:
        print(write_text(missing, "".join(f"{video}\n" for video in found.missing)))
    if not found.ready:
        raise DataError(f"{root} is not ready for {name}; what to do stands above")
