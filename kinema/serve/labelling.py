"""Labels and the classifier that they make, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kinema.common.last_used import LastUsed
from kinema.errors import ConfigError
from kinema.search import Labels
from kinema.search.connection import snapshot
from kinema.search.label_acts import (
    Act,
    Add,
    Change,
    Clear,
    Delete,
    Label,
    LabelConflict,
    MakeClass,
    Recolour,
    Remove,
    Rename,
)
from kinema.search.label_reader import ALWAYS
from kinema.search.labelled_videos import place_of_window, video_of_window, videos_with
from kinema.search.labelled_windows import nearest_window
from kinema.search.store import Database
from kinema.serve import requests as read
from kinema.serve.catalog import MAP_POINTS, Catalog
from kinema.serve.responses import Json

Asked = Mapping[str, Any]

LISTED, MOST_LABELS, MOST_WINDOWS = 48, 5000, 200
"""Labels of a class that are listed at a time, labels of a video, and windows that are asked about."""


class Labelling:
    """The labels that all who open the page share.

    Args:
        catalog: the library.
        labels: where they are kept.
    """

    def __init__(self, catalog: Catalog, labels: Labels):
        self._catalog, self._labels = catalog, labels
        self._missing: LastUsed[int] = LastUsed(1)
        self._drawn: LastUsed[list[int]] = LastUsed(1)

    def routes(self) -> list[Route]:
        """What can be asked for."""
        return [
            Route("/api/labels", self._get, methods=["GET"]),
            Route("/api/labels", self._change, methods=["POST"]),
            Route("/api/labels/history", self._history, methods=["GET"]),
            Route("/api/labels/{kind:str}", self._revert, methods=["POST"]),
            Route("/api/classify", self._classify, methods=["POST"]),
        ]

    # what there is

    def _get(self, request: Request) -> Response:
        asked = request.query_params
        if "video" in asked:
            return Json(self._of_video(asked))
        if "windows" in asked:
            return Json(self._of_windows(asked["windows"]))
        if "class" in asked:
            return Json(self._of_class(asked["class"], int(read.number(asked.get("offset", 0), "offset"))))
        if asked.get("since") == str(self._labels.version()):
            return Response(status_code=204)
        return Json(self.told())

    def told(self) -> dict[str, Any]:
        """What there is, but for the labels themselves."""
        state = self._labels.state()
        classes = [{**asdict(one), "seconds": round(one.seconds, 3)} for one in state.classes]
        return {
            "version": state.version,
            "classes": classes,
            "undoable": state.undoable,
            "redoable": state.redoable,
            "kept": self._labels.kept,
            "total": state.total,
            "missing": self._missing.get((state.version, self._catalog.library.state), self._labels.missing),
        }

    def _of_video(self, asked: Asked) -> dict[str, Any]:
        version = self._labels.version()  # as of before, so that what comes meanwhile is asked for again
        start, end = (read.number(asked.get(name, other), name) for name, other in (("start", 0.0), ("end", ALWAYS)))
        video = int(read.number(asked["video"], "video"))
        total, labels = self._labels.of_video(video, start, end, MOST_LABELS)
        return {"version": version, "total": total, "labels": list(map(_one, labels))}

    def _of_windows(self, named: str) -> dict[str, Any]:
        version = self._labels.version()
        if named == "map":
            numbers = self._drawn.get(self._catalog.library.state, self._on_map)
        else:
            numbers = [int(read.number(number, "window")) for number in named.split(",")[: MOST_WINDOWS + 1]]
            if len(numbers) > MOST_WINDOWS:
                raise ConfigError(read.RELOAD)
        found = self._labels.of_windows(numbers)
        windows = {
            number: {"classes": one.classes, "labels": list(map(_one, one.labels))}
            for number, one in found.items()
            if one.classes or one.labels
        }
        return {"version": version, "windows": windows}

    def _on_map(self) -> list[int]:
        return [window.id for window in self._catalog.library.sample(MAP_POINTS)]

    def _of_class(self, name: str, offset: int) -> dict[str, Any]:
        state = self._labels.state()
        labels = self._labels.of_class(name, offset, LISTED)
        with snapshot(self._catalog.library.path) as db:
            videos = videos_with(db, (label.content for label in labels))
            there = [(label, videos[label.content]) for label in labels if label.content in videos]
            windows = [nearest_window(db, video.path, (label.start + label.end) / 2) for label, video in there]
        listed = []
        for (label, video), window in zip(there, windows, strict=True):
            place = {"video": video.first, "name": self._catalog.name(video.path)}
            listed.append({**_one(label), **place, "window": self._catalog.window(window)})
        total = next((one.count for one in state.classes if one.name == name.strip()), 0)
        return {"version": state.version, "total": total, "labels": listed}

    def _history(self, request: Request) -> Response:
        before = request.query_params.get("before")
        changes = self._labels.history(None if before is None else int(read.number(before, "version")))
        return Json({"changes": [asdict(change) for change in changes]})

    # changing it

    async def _change(self, request: Request) -> Response:
        return await run_in_threadpool(self._changed, await read.question(request))

    def _changed(self, asked: Asked) -> Response:
        acts = asked.get("acts")
        if not isinstance(acts, list):
            raise ConfigError(read.RELOAD)
        with snapshot(self._catalog.library.path) as db:
            meant = [_act(db, read.as_object(act)) for act in acts]
        try:
            done = self._labels.do(meant, asked.get("by"))
        except LabelConflict as conflict:
            labels = self._present(act.id for act in meant if isinstance(act, Change | Remove))
            there = {label["id"] for label in labels}
            gone = [number for number in conflict.ids if number not in there]
            return Json({"error": str(conflict), **self.told(), "labels": labels, "gone": gone}, 409)
        labels = self._present(number for number in done.ids if number is not None)
        return Json({**self.told(), "made": done.version, "ids": done.ids, "labels": labels})

    def _present(self, numbers: Any) -> list[dict[str, Any]]:
        return list(map(_one, self._labels.with_ids(numbers)))

    async def _revert(self, request: Request) -> Response:
        asked, kind = await read.question(request), request.path_params["kind"]
        way = {"undo": self._labels.undo, "redo": self._labels.redo}.get(kind)
        if way is None:
            raise ConfigError(read.RELOAD)
        change = None if asked.get("version") is None else int(read.number(asked["version"], "version"))
        made = await run_in_threadpool(way, change, asked.get("by"))
        return Json({**await run_in_threadpool(self.told), "made": made})

    async def _classify(self, request: Request) -> Response:
        return Json(await run_in_threadpool(lambda: self._catalog.classified(self.classifier())))

    def classifier(self) -> Any:
        """The classifier that the labels make."""
        return self._catalog.library.train_classifier(self._labels.examples())


def _one(label: Label) -> dict[str, Any]:
    """A label for the page."""
    about = {"subject": label.subject, "confidence": label.confidence, "by": label.by, "at": label.at}
    place = {"start": label.start, "end": label.end, "class": label.label}
    return {"id": label.id, "version": label.version, **place, **about}


def _act(db: Database, asked: Asked) -> Act:
    """The act that the page asks for."""

    def number(name: str) -> int:
        return int(read.number(asked.get(name), name))

    def seconds(name: str) -> float:
        return read.number(asked.get(name), name)

    def text(name: str) -> Any:
        if not isinstance(asked.get(name), str | None):
            raise ConfigError(read.RELOAD)
        return asked.get(name)

    match read.chosen(asked, "act", ("add", "change", "remove", "class", "rename", "colour", "delete", "clear")):
        case "add":
            label, subject = text("class") or "", text("subject")
            sure = None if asked.get("confidence") is None else seconds("confidence")
            if "window" in asked:
                place = place_of_window(db, number("window"))
            else:
                place = video_of_window(db, number("video")).content, seconds("start"), seconds("end")
            return Add(*place, label, subject, sure)
        case "change":
            start, end = (seconds(name) if name in asked else None for name in ("start", "end"))
            label = (text("class") or "") if "class" in asked else None
            subject = text("subject") if "subject" in asked else ...
            return Change(number("id"), number("version"), start, end, label, subject)
        case "remove":
            return Remove(number("id"), number("version"))
        case "class":
            return MakeClass(text("name") or "", text("colour"))
        case "rename":
            return Rename(text("class") or "", text("to") or "")
        case "colour":
            return Recolour(text("class") or "", text("colour") or "")
        case "delete":
            return Delete(text("class") or "")
    return Clear()
