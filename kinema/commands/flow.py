"""Optical flow as a tool of its own."""

from __future__ import annotations

import os
import sys
from typing import Any

from jsonargparse.typing import NonNegativeInt, PositiveFloat, PositiveInt

from kinema.config import ClipConfig, FlowConfig
from kinema.errors import ConfigError, DataError


def list_estimators() -> None:
    """List the estimators of optical flow, with their settings and what they need."""
    from kinema.flow.estimators import describe_estimators

    print(describe_estimators())


def extract(
    videos: str,
    out: str,
    estimator: str = "tvl1",
    parameters: dict[str, Any] | None = None,
    step_frames: PositiveInt | None = None,
    step: PositiveFloat | None = None,
    step_ratio: PositiveFloat = 1.0,
    short_side: PositiveInt | None = 256,
    center_crop: tuple[int, int] | None = None,
    center_seconds: PositiveFloat | None = None,
    manifest: str | None = None,
    shard: str = "1/1",
    workers: NonNegativeInt | None = None,
) -> None:
    """Write the optical flow of every video of a folder to a store that training reads; interrupt and resume at will.

    Args:
        videos: folder of videos, searched with all folders in it.
        out: folder of the store; what it holds already is kept.
        estimator: one of those that `kinema flow --list` shows.
        parameters: settings of the estimator by name; its defaults if none are given.
        step_frames: frames of the file that a step spans; there is a field for each frame. 1 if step is not given.
        step: seconds that a step spans, instead; there are two fields a step.
        step_ratio: time between the two frames of a field, as a share of the step.
        short_side: frames are scaled so that their shorter side has this many pixels; null leaves them as they are.
        center_crop: width and height in pixels of a central crop, taken before.
        center_seconds: only the central part of each video, of this length.
        manifest: what `kinema scan` wrote of the folder; it is scanned now by default.
        shard: i/n takes every n-th video, beginning with the i-th, so that n machines share the work.
        workers: processes; as many as there are cores by default, 0 to work in this one.
    """
    from kinema.data.extraction import extract_flow, parse_shard
    from kinema.data.fields import ClipReader
    from kinema.video import read_manifest, scan_folder

    part = parse_shard(shard)
    if step is not None and step_frames is not None:
        raise ConfigError("a step is given by step (seconds) or by step_frames (frames), not by both")
    clip = ClipConfig(
        step=step,
        step_frames=step_frames or (1 if step is None else None),
        short_side=short_side,
        center_crop=center_crop,
        center_seconds=center_seconds,
    )
    reader = ClipReader(videos, clip, FlowConfig(estimator, parameters, step_ratio, cache=out))
    entries = scan_folder(videos) if manifest is None else read_manifest(manifest)
    done = extract_flow(reader, entries, part, (os.cpu_count() or 1) if workers is None else workers)
    for path, reason in done.failures[:20]:
        print(f"left out: {path}: {reason}", file=sys.stderr)
    if not done.made + done.found:
        path, reason = done.failures[0]
        raise DataError(f"no video of {videos} has flow now (the first is {path}: {reason})")
    print(f"{out}: {done.made} videos extracted, {done.found} found, {len(done.failures)} left out")
    if done.report:
        print(done.report)
