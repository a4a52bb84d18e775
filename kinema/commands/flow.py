"""Optical flow as a tool of its own."""

from __future__ import annotations

from jsonargparse.typing import PositiveFloat, PositiveInt


def list_estimators() -> None:
    """List the estimators of optical flow, with their settings and what they need."""
    from kinema.flow.estimators import describe_estimators

    print(describe_estimators())


def evaluate_flow(truth: str, out: str, estimators: str = "dis,farneback,tvl1") -> None:
    """Compare estimators of optical flow with true flow.

    Args:
        truth: folder of scene folders (frame10.png, frame11.png, flow10.flo, perhaps the masks occlusions.png and
            invalid.png) or of KITTI's layout, or a CSV file with the columns first, second, truth and perhaps
            occlusions and invalid.
        out: JSON file to write; a table of all scenes goes into a CSV file of the same name.
        estimators: names separated by commas, each with settings where wanted, such as dis:preset=medium,tvl1.
    """
    import sys

    from rich.console import Console

    from kinema.evaluation import evaluate_flow

    evaluation = evaluate_flow(truth, [name.strip() for name in estimators.split(",")], out)
    for row in evaluation.left_out:
        print(f"left out: {row['scene']}{' by ' + row['estimator'] if 'estimator' in row else ''}: {row['reason']}")
    Console(width=None if sys.stdout.isatty() else 140).print(evaluation.table())
    print(out)


def show_flow(
    video: str,
    out: str,
    estimator: str = "dis",
    start: float = 0.0,
    seconds: PositiveFloat = 3.0,
    size: PositiveInt = 192,
) -> None:
    """Draw a video beside its optical flow, as colours and as arrows, above how much the motion changes.

    Args:
        video: video file.
        out: file to write: .mp4 or .gif for a moving picture, .png for a sheet of some moments.
        estimator: name of the estimator, with settings where wanted, such as dis:preset=medium.
        start: where to begin, in seconds.
        seconds: how much to show.
        size: shorter side of the frames in pixels; flow is estimated at this size.
    """
    from kinema.report.flow_pictures import show_flow

    print(show_flow(video, out, estimator, start, seconds, size))
