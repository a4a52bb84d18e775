"""Standard benchmarks: checking a folder of one."""

from __future__ import annotations

from jsonargparse.typing import PositiveInt

from kinema.config import BenchmarkName
from kinema.errors import DataError


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
