"""Poses of SLEAP: its own files (.slp) and its analysis files (.h5), both HDF5."""

from __future__ import annotations

import json
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from kinema.boxes.tracks import Found, boxes_of
from kinema.common.extras import needed_for
from kinema.errors import DataError, words_of

USER, PREDICTED = 0, 1


def read(path: Path) -> list[Found]:
    """The boxes around the poses of a file's videos.

    Raises:
        DataError: it is no HDF5 file, or one of another tool or version.
        ConfigError: h5py is not there.
    """
    with needed_for("reading SLEAP's files"):
        import h5py
    try:
        with h5py.File(path) as file:
            if {"frames", "instances", "videos_json"} <= file.keys():
                return _project(file)
            if {"tracks", "node_names"} <= file.keys():
                return [_analysis(file, path)]
            held = ", ".join(sorted(file.keys())[:4])
    except (OSError, KeyError, ValueError, IndexError, TypeError) as error:
        said = words_of(error, 150)
        raise DataError(f"it is damaged, or of a version of SLEAP that is not known ({said})") from error
    if "df_with_missing" in held:
        raise DataError("it is DeepLabCut's; name the CSV file that it writes with save_as_csv")
    raise DataError(f"it is no file of SLEAP's (it holds {held or 'nothing'})")


def _analysis(file: Any, path: Path) -> Found:
    """An analysis file is of one video: coordinates (tracks, 2, nodes, frames), or the other way round."""
    tracks = np.asarray(file["tracks"], np.float64)
    nodes = len(file["node_names"])
    if tracks.ndim == 4 and tracks.shape[1] == 2 and tracks.shape[2] == nodes:
        points = tracks.transpose(0, 3, 2, 1)
    elif tracks.ndim == 4 and tracks.shape[2] == 2 and tracks.shape[1] == nodes:
        points = tracks.transpose(3, 0, 1, 2)
    else:
        raise DataError(f"its tracks have the shape {tracks.shape}, which no known version of SLEAP writes")
    names = [_text(name) for name in file["track_names"]] if "track_names" in file else []
    named = _text(file["video_path"][()]) if "video_path" in file else ""
    moments, sides, subjects = [], [], []
    for number, own in enumerate(points):
        kept, boxes = boxes_of(own)
        moments.append(kept.astype(np.float64))
        sides.append(boxes)
        subjects += [names[number] if number < len(names) else ""] * len(kept)
    video = PureWindowsPath(named).name or path.name.split(".")[0]
    return Found(video, np.concatenate(moments), np.concatenate(sides), subjects)


def _project(file: Any) -> list[Found]:
    """A project, or predictions: frames of videos with instances, which name ranges of points."""
    videos = [_video_name(json.loads(_text(one))) for one in file["videos_json"]]
    tracks = [_track_name(json.loads(_text(one))) for one in file["tracks_json"]] if "tracks_json" in file else []
    frames, instances = np.asarray(file["frames"]), np.asarray(file["instances"])
    points = {USER: np.asarray(file["points"]), PREDICTED: np.asarray(file["pred_points"])}
    found: list[list[tuple[float, np.ndarray, str]]] = [[] for _ in videos]
    for frame in frames:
        rows = found[int(frame["video"])]
        for instance in instances[int(frame["instance_id_start"]) : int(frame["instance_id_end"])]:
            own = points[int(instance["instance_type"])]
            own = own[int(instance["point_id_start"]) : int(instance["point_id_end"])]
            pose = np.stack([own["x"], own["y"]], 1).astype(np.float64)
            pose[~own["visible"].astype(bool)] = np.nan
            kept, boxes = boxes_of(pose[None])
            track = int(instance["track"])
            if len(kept):
                subject = tracks[track] if 0 <= track < len(tracks) else ""
                rows.append((float(frame["frame_idx"]), boxes[0], subject))
    return [Found.of(name, rows) for name, rows in zip(videos, found, strict=True) if rows]


def _video_name(said: Any) -> str:
    name = said.get("filename") or said.get("backend", {}).get("filename") or ""
    name = name[0] if isinstance(name, list) else name
    if not name or name == ".":
        raise DataError("it does not say of which video it is, since it holds the pictures itself; export it without")
    return PureWindowsPath(name).name  # which takes slashes of both kinds


def _track_name(said: Any) -> str:
    return str(said[-1] if isinstance(said, list) else said.get("name", ""))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
