"""Tables that people and other tools write as CSV: a header and rows of text."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from pathlib import Path

from kinema.common.addresses import shown
from kinema.common.files import refuse_pipe
from kinema.common.object_cache import fetched
from kinema.errors import DataError, first_few


def read_table(path: str | Path, needs: str, remedy: str) -> tuple[list[str], list[dict[str, str]]]:
    """The columns of a table and its rows, those that hold anything; commas, semicolons or tabs stand between fields.

    Args:
        path: a CSV file in UTF-8.
        needs: what the table has to hold, for the sentence about one that is empty.
        remedy: what to do about a file that cannot be opened, for that sentence.

    Raises:
        DataError: it cannot be read as such a table, or has no rows.
    """
    try:
        with fetched(path) as local:
            refuse_pipe(local)
            with local.open(newline="", encoding="utf-8-sig") as stream:
                lines, delimiter = _delimited(stream.read())
        reader = csv.DictReader(lines, restval="", strict=True, delimiter=delimiter)
        rows = [row for row in reader if any(value for value in row.values())]
        columns = [name.strip() for name in reader.fieldnames or ()]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{shown(path)} is not a CSV file in UTF-8 ({error}); export the labels as one") from error
    except (OSError, ValueError) as error:  # a name with a zero in it is a ValueError
        why = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read the labels {shown(path)}: {why}; {remedy}") from error
    twice = [repr(name) for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise DataError(f"{shown(path)} has more than one column {first_few(twice)}; give each a name of its own")
    if not rows:
        raise DataError(f"{shown(path)} holds no rows; it needs {needs}")
    if any(None in row for row in rows):
        raise DataError(
            f"{shown(path)} has rows with more fields than its header; put quotes around fields with a comma"
        )
    return columns, [dict(zip(columns, row.values(), strict=True)) for row in rows]


def _delimited(text: str) -> tuple[io.StringIO, str]:
    """A table from its header on, and what stands between its fields: spreadsheets of many places write semicolons."""
    text = text.lstrip("\r\n")
    said = re.match(r"sep=([,;\t])\r?\n", text)  # which some of them write as the first line
    if said is not None:
        return io.StringIO(text[said.end() :], newline=""), said[1]
    header = next(iter(text.splitlines()), "")
    return io.StringIO(text, newline=""), max(",;\t", key=header.count)
