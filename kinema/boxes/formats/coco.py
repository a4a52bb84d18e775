"""Boxes in COCO's JSON, of pictures that are frames of videos."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from kinema.boxes.tracks import Found, boxes_of
from kinema.errors import DataError, words_of

NUMBERED = re.compile(r"^(.*?)[ _.-]?(?:frame[ _.-]?)?(\d+)$")
"""The name of a picture without its extension: that of its video, and the number of its frame."""
TRACKS = ("track_id", "instance_id")


def read(path: Path) -> list[Found]:
    """The boxes of annotations, or around their keypoints where they have no box.

    Which frame of which video a picture is, ``video_id`` (of ``videos``, by ``name`` or ``file_name``) says with
    ``frame_id`` or ``frame_index``, else its ``file_name``: ``walk/000012.png`` and ``walk_000012.png`` are frame 12 of
    walk, counted from 0. The subject is the ``track_id`` or ``instance_id``, where there is one.

    Raises:
        DataError: it is not COCO's JSON, or a picture does not say which frame it is.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(said, dict) or not {"images", "annotations"} <= said.keys():
            raise DataError("it is not COCO's JSON, which has images and annotations")
        videos = {video["id"]: str(video.get("name") or video["file_name"]) for video in said.get("videos", [])}
        frames = {image["id"]: _frame(image, videos) for image in said["images"]}
        found: dict[str, list[tuple[float, np.ndarray, str]]] = defaultdict(list)
        for number, annotation in enumerate(said["annotations"]):
            if annotation["image_id"] not in frames:
                raise DataError(f"annotation {number} is of a picture that it does not list ({annotation['image_id']})")
            video, frame = frames[annotation["image_id"]]
            box = _box(annotation, number)
            subject = next((str(annotation[name]) for name in TRACKS if annotation.get(name) is not None), "")
            if box is not None:
                found[video].append((frame, box, subject))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"it is not COCO's JSON ({type(error).__name__}: {words_of(error, 100)})") from error
    return [Found.of(video, rows) for video, rows in found.items()]


def _frame(image: dict[str, Any], videos: dict[Any, str]) -> tuple[str, float]:
    number = image.get("frame_index", image.get("frame_id"))
    if image.get("video_id") in videos and number is not None:
        return videos[image["video_id"]], float(number)
    name = PurePosixPath(str(image["file_name"]).replace("\\", "/"))
    matched = NUMBERED.match(name.stem)
    video = matched[1] if matched and matched[1] else name.parent.name
    if matched is None or not video:
        raise DataError(
            f"the picture {name} does not say which frame it is: name it VIDEO/000012.png, or give video_id"
        )
    return video, float(matched[2])


def _box(annotation: dict[str, Any], number: int) -> np.ndarray | None:
    if annotation.get("bbox"):
        left, top, width, height = map(float, annotation["bbox"])
        if not (np.isfinite([left, top]).all() and 0 < width < np.inf and 0 < height < np.inf):
            raise DataError(f"the box of annotation {number} has no area")
        return np.array([left, top, left + width, top + height])
    points = np.array(annotation.get("keypoints") or [], np.float64).reshape(-1, 3)
    points[points[:, 2] == 0] = np.nan
    kept, boxes = boxes_of(points[None, :, :2])
    return boxes[0] if len(kept) else None
