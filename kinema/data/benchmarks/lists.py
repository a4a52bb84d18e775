"""Reading official lists: text of any line ending, CSV and JSON, with errors that name the file and the line."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kinema.errors import DataError


def find_list(folder: Path, names: Sequence[str], title: str) -> Path:
    """The file of one of several names, which may be patterns of one file, in ``folder``.

    Raises:
        DataError: there is none.
    """
    for name in names:
        if (path := folder / name).is_file():
            return path
    others = f" (or {', '.join(names[1:])})" if names[1:] else ""
    raise DataError(
        f"{folder} has no {names[0]}{others}, an official list of {title}; take it from the data set's own page and "
        "name its folder with --annotations"
    )


def read_text(path: Path) -> str:
    """The text of a list.

    Raises:
        DataError: it cannot be read, or is no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}; give access to it") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file; take it anew from the data set's own page") from error


def read_lines(path: Path, pattern: str, looks: str) -> Iterator[re.Match[str]]:
    """Match every line that is not blank, without the blanks around it.

    Args:
        path: the list.
        pattern: regular expression of a whole line.
        looks: what a line looks like, for the message.

    Raises:
        DataError: a line does not match; names it.
    """
    line_like = re.compile(pattern)
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        found = line_like.fullmatch(line.strip())
        if found is None:
            raise not_a_list(f"{path}, line {number}", line.strip(), looks)
        yield found


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file with a header.

    Raises:
        DataError: it lacks one of ``columns``, or a row lacks a value in one.
    """
    rows = list(csv.DictReader(read_text(path).splitlines()))
    for number, row in enumerate(rows, start=2):
        if any(not row.get(column) for column in columns):
            raise not_a_list(f"{path}, line {number}", ",".join(map(str, row.values())), ",".join(columns))
    return rows


def read_records(path: Path, keys: Sequence[str]) -> list[dict[str, Any]]:
    """The objects of a JSON file that holds a list of them.

    Raises:
        DataError: it is no such file, or an object lacks one of ``keys``.
    """
    value = read_json(path)
    looks = "[{" + ", ".join(f'"{key}": ...' for key in keys) + "}, ...]"
    if not isinstance(value, list):
        raise not_a_list(str(path), type(value).__name__, looks)
    for number, record in enumerate(value, start=1):
        if not isinstance(record, dict) or any(key not in record for key in keys):
            raise not_a_list(f"{path}, entry {number}", str(record), looks)
    return value


def read_json(path: Path) -> Any:
    """The value of a JSON file.

    Raises:
        DataError: it is none.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not a JSON file ({error}); take it anew from the data set's own page") from error


def not_a_list(place: str, found: str, looks: str) -> DataError:
    """The error for something that is not of this data set's list.

    Args:
        place: file and line.
        found: what stands there.
        looks: what should.
    """
    shown = found if len(found) <= 80 else f"{found[:80]}..."
    return DataError(f"{place}: {shown!r} is not of this data set's list, where one reads {looks}; name the right file")
