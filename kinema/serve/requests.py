"""What the page sends, checked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import inf, isfinite
from typing import Any, get_args

from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request

from kinema.errors import ConfigError
from kinema.search import By
from kinema.serve.media import Kind
from kinema.serve.uploads import TooLarge

MOST_BYTES = 1 << 20
"""Bytes of a question."""
MOST_HITS = 120
LARGEST = 2**53
"""What a number is below; whole ones are exact up to here."""
RELOAD = "the page sent something that is not understood; reload it"


class Digits(StringConvertor):
    """Digits in an address, left as they are: Python refuses to make a number of thousands of them."""

    regex = "[0-9]+"


register_url_convertor("digits", Digits())


async def body_of(request: Request, most: int, refusal: str) -> bytes:
    """The body of a request.

    Raises:
        TooLarge: it has more than ``most`` bytes; so it is said.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise TooLarge(refusal)
    return bytes(body)


async def question(request: Request) -> dict[str, Any]:
    """The JSON object of a request's body.

    Raises:
        TooLarge: it is too long.
        ConfigError: it is none.
    """
    body = await body_of(request, MOST_BYTES, "the page sent too much at once; choose fewer hits or labels")
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ConfigError(RELOAD) from error
    return as_object(asked)


def as_object(value: Any) -> dict[str, Any]:
    """A JSON object; of null an empty one."""
    if not isinstance(value, dict | None):
        raise ConfigError(RELOAD)
    return value or {}


def number(value: Any, name: str) -> float:
    """A finite number, at least 0, of JSON or of an address."""
    try:
        found = float(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the {name} is no number; write one") from error
    except OverflowError:  # JSON's numbers may have any length
        found = inf
    if not (isfinite(found) and 0 <= found < LARGEST):
        raise ConfigError(f"the {name} must not be negative, nor endless; write another number")
    return found


def window(request: Request) -> int:
    """The number of a window that an address names."""
    return int(number(request.path_params["number"], "window"))


def part(request: Request, start: float, end: float) -> tuple[float, float]:
    """Start and end in seconds that an address asks for, or those given."""
    asked = request.query_params
    return number(asked.get("start", start), "start"), number(asked.get("end", end), "end")


def chosen(asked: Mapping[str, Any], name: str, ways: Sequence[str]) -> str:
    """One of several words."""
    if asked.get(name) not in ways:
        raise ConfigError(RELOAD)
    return asked[name]


def picture_kind(value: str) -> Kind:
    """Which moving picture is meant."""
    for kind in get_args(Kind):
        if kind == value:
            return kind
    raise ConfigError("there is no such picture; go back to the page")


def hits(asked: Mapping[str, Any]) -> list[tuple[By, int, float, float, float]]:
    """What was compared, the window, start, end and score of each hit that the page names."""
    named = asked.get("hits")
    if not isinstance(named, list) or len(named) > MOST_HITS:
        raise ConfigError(RELOAD)
    found: list[tuple[By, int, float, float, float]] = []
    for hit in map(as_object, named):
        by = next((way for way in get_args(By) if way == hit.get("by")), None)
        score = hit.get("score")
        if by is None or not isinstance(score, int | float) or not abs(score) < LARGEST:
            raise ConfigError(RELOAD)
        window, start, end = (number(hit.get(name), name) for name in ("id", "start", "end"))
        found.append((by, int(window), start, end, float(score)))
    return found
