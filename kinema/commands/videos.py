"""Making videos and looking through folders of them."""

from __future__ import annotations

from typing import Literal

from jsonargparse.typing import NonNegativeInt, PositiveInt

from kinema.common.processes import available_cores
from kinema.common.streams import in_one_line


def synth(
    out: str,
    videos: PositiveInt = 1000,
    seed: NonNegativeInt = 0,
    difficulty: Literal["easy", "default", "hard", "figures"] = "default",
    size: PositiveInt = 64,
    frames: PositiveInt = 32,
    fps: float = 16.0,
    test_share: float = 0.2,
    workers: PositiveInt | None = None,
    kinds: list[str] = [],  # noqa: B006, only read
) -> None:
    """Write synthetic videos whose motion and appearance are independent, with labels and true flow.

    Args:
        out: folder to write.
        videos: how many, train and test together.
        seed: of all random draws.
        difficulty: easy has no camera drift and plain objects; the classes of hard differ only in the order of motions;
            figures are people, animals, hands, mouths and things in scenes of all kinds, without true flow.
        size: height and width in pixels, even; of figures the shorter side, upright, square and wide ones mixed.
        frames: frames per video.
        fps: frames per second.
        test_share: share of the videos in the test split, from 0 to 1.
        workers: processes that share the work; as many as there are cores by default.
        kinds: of figures those that are seen, such as person or animal; all by default.
    """
    from kinema.data.synthetic import synthesise

    cores = workers or available_cores()
    print(synthesise(out, videos, seed, difficulty, size, frames, fps, test_share, cores, kinds))


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
