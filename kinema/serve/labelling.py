"""Labels, the classifier that they make, and what can be taken away, over HTTP."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kinema.errors import ConfigError
from kinema.search import Labels
from kinema.search.labels import Label
from kinema.serve import asked as read
from kinema.serve import exports
from kinema.serve.answers import Json, attached
from kinema.serve.catalog import Catalog

Asked = Mapping[str, Any]


class Labelling:
    """The labels that all who open the page share.

    Args:
        catalog: the library.
        labels: where they are kept.
    """

    def __init__(self, catalog: Catalog, labels: Labels):
        self._catalog, self._labels = catalog, labels

    def routes(self) -> list[Route]:
        """What can be asked for."""
        return [
            Route("/api/labels", self._state, methods=["GET"]),
            Route("/api/labels", self._change, methods=["POST"]),
            Route("/api/classify", self._classify, methods=["POST"]),
            Route("/api/export/{kind}", self._export, methods=["POST"]),
        ]

    def _state(self, request: Request) -> Response:
        if request.query_params.get("since") == str(self._labels.version()):
            return Response(status_code=204)
        return Json(self._told())

    def _told(self) -> dict[str, Any]:
        state = self._labels.state()
        shown = [label for label in state.labels if label.windows]
        return {
            "version": state.version,
            "undoable": state.undoable,
            "kept": self._labels.kept,
            "names": state.names,
            "missing": len(state.labels) - len(shown),
            "labels": [self._one(label) for label in shown],
        }

    def _one(self, label: Label) -> dict[str, Any]:
        first = self._catalog.window(label.windows[0])
        return {"name": label.label, "ids": [window.id for window in label.windows], "window": first}

    async def _change(self, request: Request) -> Response:
        return await run_in_threadpool(self._changed, await read.question(request))

    def _changed(self, asked: Asked) -> Response:
        def number(name: str) -> int:
            return int(read.number(asked.get(name), name))

        changes: dict[str, Callable[[], int]] = {
            "set": lambda: self._labels.set(number("window"), asked.get("name")),
            "rename": lambda: self._labels.rename(str(asked.get("name")), str(asked.get("to"))),
            "clear": self._labels.clear,
            "undo": lambda: self._labels.undo(number("version")),
        }
        made = changes[read.chosen(asked, "change", tuple(changes))]()
        return Json({**self._told(), "made": made})

    async def _classify(self, request: Request) -> Response:
        return Json(await run_in_threadpool(lambda: self._catalog.classified(self._classifier())))

    def _classifier(self) -> Any:
        return self._catalog.library.train_classifier(self._labels.examples())

    async def _export(self, request: Request) -> Response:
        makers: dict[str, Callable[[Asked], Response]] = {
            "hits.csv": lambda asked: attached("hits.csv", "text/csv", exports.hits_csv(self._hits(asked)).encode()),
            "clips.zip": self._clips,
            "labels.csv": lambda asked: attached(
                "labels.csv", "text/csv", exports.labels_csv(self._catalog, self._labels.examples()).encode()
            ),
            "classifier.safetensors": self._saved,
        }
        make = makers.get(request.path_params["kind"])
        if make is None:
            raise ConfigError("there is no such file; use the page's buttons")
        return await run_in_threadpool(make, await read.question(request))

    def _clips(self, asked: Asked) -> Response:
        archive = exports.clips_zip(self._catalog, self._hits(asked))
        return attached("clips.zip", "application/zip", iter(lambda: archive.read(1 << 16), b""))

    def _saved(self, asked: Asked) -> Response:
        with tempfile.TemporaryDirectory() as folder:
            path = self._classifier().save(Path(folder, "classifier.safetensors"))
            return attached(path.name, "application/octet-stream", path.read_bytes())

    def _hits(self, asked: Asked) -> list[dict[str, Any]]:
        """The hits that the page names; what it says of them is looked up again."""
        hits, ranks = [], {"motion": 0, "appearance": 0}
        for by, number, start, end, score in read.hits(asked):
            ranks[by] += 1
            window = self._catalog.library.window(number)
            row = (by, ranks[by], score, self._catalog.name(window.path), start, end, window.strength, number)
            hits.append(dict(zip(exports.COLUMNS, row, strict=True)))
        return hits
