"""Searches, over HTTP: what is asked for, embedded where it is new, and answered while the page is told how it goes."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kinema.common.last_used import LastUsed
from kinema.errors import ConfigError
from kinema.search import Answer, EmbeddedQuery
from kinema.serve import requests as read
from kinema.serve.catalog import Catalog
from kinema.serve.responses import Steps, called, lines
from kinema.serve.uploads import Upload, Uploads
from kinema.serve.worker import MAX_SECONDS, Guarded

TOP, MOST_TOP = 12, 60
REMEMBERED = 32
"""Embedded uploads that are kept, so that another filter costs no second reading."""
WHOLE = 1e9
"""Seconds; later than the end of any video."""
PATIENCE = 0.5
"""Seconds between two looks at whether another's clip has been read."""

Told = Generator[dict[str, Any], None, EmbeddedQuery]


class Searching:
    """The searches.

    Args:
        catalog: the library.
        worker: embeds uploads, one after the other.
        uploads: where they lie.
    """

    def __init__(self, catalog: Catalog, worker: Guarded, uploads: Uploads):
        self._catalog, self._worker, self._uploads = catalog, worker, uploads
        self._embedding = threading.Lock()
        self._embedded: LastUsed[EmbeddedQuery] = LastUsed(REMEMBERED)

    def routes(self) -> list[Route]:
        """What can be asked for."""
        return [Route("/api/search", self._search, methods=["POST"])]

    async def _search(self, request: Request) -> Response:
        return lines(self._found(await read.question(request)))

    def _found(self, asked: Mapping[str, Any]) -> Steps:
        """What is being done, and at last the answers."""
        filters = read.as_object(asked.get("filters"))
        within, allowed = filters.get("within") is True, self._catalog.filters(filters)
        top = max(1, min(int(read.number(asked.get("top", TOP), "top")), MOST_TOP))
        name, query = yield from self._query(read.as_object(asked.get("source")))
        yield {"doing": "Comparing with the library"}
        search, said = self._catalog.library.search_all, []
        answers = search(query, top=top, filters=allowed, within=within)
        if not within and not any(answer.hits for answer in answers):
            others = search(query, top=top, filters=allowed, within=True)
            if any(answer.hits for answer in others):
                answers = others
                said = ["no other video is allowed, so that these are other places of the clip's own"]
        yield {
            "query": {"name": name, "start": query.query.start, "end": query.query.end},
            "strength": round(query.query.strength, 4),
            **{answer.by: self._answer(answer, name, said) for answer in answers},
        }

    def known(self, source: Mapping[str, Any]) -> tuple[tuple[object, ...], EmbeddedQuery]:
        """What a source stands for, of which nothing has to be read any more, and a key that is no other's.

        Raises:
            ConfigError: it is a clip that was not searched with, or not lately.
        """
        like = ("like", "window", "upload", "start", "end")
        steps = self._query({name: value for name, value in source.items() if name in like})
        if "upload" in source:
            self._uploads.get(str(source["upload"]))
        try:
            next(steps)  # an upload's first step is to read it
        except StopIteration as stop:
            return tuple(sorted((name, source[name]) for name in like if name in source)), stop.value[1]
        steps.close()
        raise ConfigError("search with the clip first; then the timeline shows what is like it")

    def _query(self, source: Mapping[str, Any]) -> Generator[dict[str, Any], None, tuple[str, EmbeddedQuery]]:
        if "like" in source:
            window = self._catalog.library.window(int(read.number(source["like"], "window")))
            return self._catalog.name(window.path), self._catalog.library.embed(window)
        start, end = read.number(source.get("start", 0), "start"), read.number(source.get("end", WHOLE), "end")
        if end <= start:
            raise ConfigError("the chosen part is empty; let its end come after its start")
        if "upload" in source:
            upload = self._uploads.get(str(source["upload"]))
            return upload.name, (yield from self._upload(upload, start, min(end, MAX_SECONDS)))
        window = self._catalog.library.window(int(read.number(source.get("window"), "window")))
        name = self._catalog.name(window.path)
        with called(window.path, name):
            return name, self._catalog.library.embed(window, start, end)

    def _upload(self, upload: Upload, start: float, end: float) -> Told:
        key = (upload.token, start, end)
        while (known := self._embedded.look(key)) is None:
            if not self._embedding.acquire(timeout=PATIENCE):
                yield {"doing": "Waiting until another clip has been read"}
                continue
            try:
                if self._embedded.look(key) is None:  # else who waited here finds it done
                    self._embedded.put(key, (yield from self._embed(upload, start, end)))
            finally:
                self._embedding.release()
        return known

    def _embed(self, upload: Upload, start: float, end: float) -> Told:
        yield {"doing": f"Reading {upload.name}"}
        with called(str(upload.path), upload.name):
            steps = self._worker.follow("embed", str(upload.path), start, end)
            try:
                while True:
                    yield {"doing": f"Reading {upload.name}, {next(steps):.1f} s read"}
            except StopIteration as stop:
                return stop.value
            finally:
                steps.close()

    def _answer(self, answer: Answer, name: str, said: list[str]) -> dict[str, Any]:
        warnings = list(said)
        for warning in answer.notes:
            warning = warning.replace(answer.query.path, name)
            for hit in answer.hits:
                warning = warning.replace(hit.path, self._catalog.name(hit.path))
            warnings.append(warning)
        return {"hits": [self._catalog.hit(answer, hit) for hit in answer.hits], "warnings": warnings}
