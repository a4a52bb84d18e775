"""BORIS projects (``.boris``): observations of media files, each a list of events of an ethogram's behaviours.

A state is two events of one behaviour and subject, its start and its stop; times go on through the media of an
observation and include its time offset. Where two players show media at once, the times are those of the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from kinema.annotations.format import Format
from kinema.annotations.interval import Interval, by_file, lanes
from kinema.annotations.videos import LabelledVideos
from kinema.common.files import write_json
from kinema.errors import DataError, first_few

VERSION = 7
"""Of the project format, the newest that is known."""
KEYS = "abcdefghijklmnopqrstuvwxyz0123456789"
"""That BORIS users press; behaviours beyond them have none."""


def _knows(project: Any) -> bool:
    return isinstance(project, dict) and {"observations", "behaviors_conf", "subjects_conf"} <= project.keys()


def _read(project: dict[str, Any], videos: LabelledVideos) -> Iterator[Interval]:
    version = str(project.get("project_format_version", "none"))
    if not version.split(".")[0].isdigit() or int(version.split(".")[0]) > VERSION:
        raise DataError(
            f"its project format is {version}, and known are those up to {VERSION}; save it with BORIS 7 or 8"
        )
    kinds = {one["code"]: str(one["type"]) for one in project["behaviors_conf"].values()}
    others, modified = 0, 0
    for name, observation in project["observations"].items():
        media = observation["file"]["1"] if isinstance(observation["file"], dict) else []
        if observation["type"] != "MEDIA" or not media:
            others += 1
            continue
        offset = float(observation.get("time offset") or 0)
        begun: dict[tuple[str, ...], float] = {}
        for time, subject, code, modifier, *_ in sorted(observation["events"], key=lambda event: float(event[0])):
            if code not in kinds:
                raise DataError(
                    f"observation {name!r} has the behaviour {code!r}, which its ethogram lacks; mend it there"
                )
            modified += bool(modifier) and modifier != "None"
            key, at = (subject, code, modifier), float(time) - offset
            if not kinds[code].startswith("State"):
                yield from on_media(media, observation["media_info"], at, at, code, subject)
            elif key in begun:
                yield from on_media(media, observation["media_info"], begun.pop(key), at, code, subject)
            else:
                begun[key] = at
        if begun:
            (subject, code, _), at = next(iter(begun.items()))
            who = f" of {subject}" if subject else ""
            raise DataError(
                f"observation {name!r} has a state {code!r}{who} that begins at {at:g} s and never stops; mend it with "
                "BORIS (Observations, Check state events)"
            )
    if others:
        videos.notes.append(f"{others} observations without video files (live, or of pictures) were left out")
    if modified:
        videos.notes.append(f"modifiers of {modified} events were left out")


def on_media(
    media: Sequence[str], info: Mapping[str, Any], start: float, end: float, label: str, subject: str
) -> Iterator[Interval]:
    """An interval of an observation in the video that it lies in, or a part in each that it goes through.

    Args:
        media: the videos, one after the other.
        info: holds the ``length`` of each in seconds, where there are several.
        start: seconds from the beginning of the first.
        end: seconds.
        label: of the interval.
        subject: of the interval.
    """
    if not 0 <= start <= end:
        yield Interval.of(media[0], start, end, label, subject)  # which says what is wrong with it
    begin = 0.0
    for place, name in enumerate(media):
        last = place == len(media) - 1
        until = float("inf") if last else begin + float(info["length"][name])
        inside = max(start, begin), min(end, until)
        if inside[0] < inside[1] or (start == end and begin <= start < until):
            yield Interval.of(name, inside[0] - begin, inside[1] - begin, label, subject)
        begin = until


def _write(path: Path, intervals: Sequence[Interval], videos: LabelledVideos) -> None:
    """Overlapping states of one class and subject go to further observations of the same video."""
    states = {one.label for one in intervals if one.start < one.end}
    if mixed := states & {one.label for one in intervals if one.start == one.end}:
        videos.notes.append(
            f"in BORIS the points of {first_few(sorted(mixed))}, which has intervals too, are states of no length"
        )
    rounded = [(one, round(one.start, 3), round(one.end, 3)) for one in intervals]
    rounded.sort(key=lambda item: (item[0].file, *item[1:]))
    chosen = lanes(((one.file, one.label, one.subject), start, end) for one, start, end in rounded)
    observations: dict[tuple[str, int], list[list[Any]]] = {}
    for (one, start, end), lane in zip(rounded, chosen, strict=True):
        events = observations.setdefault((one.file, lane if one.label in states else 0), [])
        info = videos.info(one.file)
        for time in (start, end) if one.label in states else (start,):
            frame = round(time * info.fps) if info and info.fps else "NA"
            events.append([time, one.subject or "", one.label, "", "", frame])
    if any(lane for _, lane in observations):
        videos.notes.append("intervals that overlap others of their class and subject are in observations of their own")
    labels = sorted({one.label for one in intervals})
    subjects = sorted({one.subject for one in intervals if one.subject})
    now = datetime.now().isoformat(timespec="seconds")
    project = {
        "time_format": "hh:mm:ss",
        "project_date": now,
        "project_name": "",
        "project_description": "",
        "project_format_version": f"{VERSION}.0",
        "subjects_conf": {str(n): {"key": "", "name": one, "description": ""} for n, one in enumerate(subjects)},
        "behaviors_conf": {
            str(number): {
                "type": "State event" if label in states else "Point event",
                "key": KEYS[number : number + 1],
                "code": label,
                "description": "",
                "category": "",
                "modifiers": {},
                "excluded": "",
                "coding map": "",
            }
            for number, label in enumerate(labels)
        },
        "observations": {},
        "behavioral_categories": [],
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }
    parts = by_file(intervals)
    for (file, lane), events in sorted(observations.items()):
        info = videos.info(file)
        length = info.duration if info else max(one.end for one in parts[file])
        project["observations"][f"{file} ({lane + 1})" if lane else file] = {  # type: ignore[index]
            "file": {str(player): [file] if player == 1 else [] for player in range(1, 9)},
            "type": "MEDIA",
            "date": now,
            "description": "",
            "time offset": 0.0,
            "events": sorted(events, key=lambda event: event[0]),
            "independent_variables": {},
            "observation time interval": [0, 0],
            "close_behaviors_between_videos": False,
            "media_info": {
                "length": {file: length},
                "fps": {file: info.fps if info else 0.0},
                "hasVideo": {file: True},
                "hasAudio": {file: False},
                "offset": {"1": 0.0},
            },
        }
    write_json(path, project)


FORMAT = Format("boris", "BORIS", "json", ".boris", _knows, _read, _write, confidence=False)
