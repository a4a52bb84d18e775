"""Manifests in files: Parquet, a file or a folder of parts, and CSV, which people bring and take."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from kinema.common.addresses import shown
from kinema.common.files import atomic_path, write_csv
from kinema.common.object_cache import fetched, written
from kinema.common.parts import PARQUET
from kinema.errors import DataError, words_of
from kinema.video.manifest import COLUMNS, SCHEMA, STATUSES, Manifest, ManifestEntry

SINCE = 0
"""Of the column ``modified`` where a CSV file has none, as those of version 0.1.0."""
TOGETHER = 1 << 18
"""Rows of a Parquet file that are read together."""
BOOLS = {"True": True, "true": True, "False": False, "false": False}
PARSERS: dict[str, Callable[[str], Any]] = {"str": str, "int": int, "float": float, "bool": BOOLS.__getitem__}


def write_manifest(entries: Iterable[ManifestEntry], path: str | Path) -> Path:
    """Write ``entries``, atomically: as Parquet if ``path`` ends in ``.parquet``, otherwise as CSV; return the path.

    It may be an address.

    Raises:
        OutputError: the folder is unwritable or the disk is full.
    """
    with written(path) as local:
        if local.suffix != PARQUET:
            write_csv(local, (COLUMNS, *map(astuple, entries)))
        else:
            with atomic_path(local) as temporary, pq.ParquetWriter(temporary, SCHEMA) as writer:
                for batch in Manifest.of(entries).batches():
                    writer.write_batch(batch)
    return Path(path)


def read_manifest(path: str | Path) -> Manifest:
    """Read what :func:`write_manifest` wrote, or a folder of such Parquet files; addresses of these too.

    Raises:
        DataError: the file is missing, or is not a manifest; the message names the line at fault.
    """
    try:
        with fetched(path) as local:
            folder = local.is_dir()
            if local.suffix != PARQUET and not folder:
                return Manifest(_checked(_read_csv(local, path), local, path))
            parts = sorted(local.glob(f"*{PARQUET}")) if folder else [local]
            tables = [_read_parquet(part, path if part == local else part) for part in parts]
            return Manifest(_checked(pa.concat_tables(tables or [_EMPTY]), local, path))
    except (OSError, csv.Error, pa.ArrowException) as error:
        said = words_of(error)
        raise DataError(f"cannot read the manifest {shown(path)}: {said}; write one with `kinema scan`") from error


_EMPTY = pa.Table.from_batches([], SCHEMA)  # for which Arrow, unlike for its empty_table, does not load pandas


def _read_parquet(local: Path, path: str | Path) -> pa.Table:
    with local.open("rb") as file:
        found = pq.ParquetFile(file)
        if found.schema_arrow.names != list(COLUMNS):
            raise _no_manifest(path)
        batches = found.iter_batches(TOGETHER, use_threads=False)  # so that it never lies in memory twice
        return pa.concat_tables([_EMPTY, *(_of_schema(pa.Table.from_batches([batch])) for batch in batches)])


def _read_csv(local: Path, path: str | Path) -> pa.Table:
    with local.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        names = tuple(next(csv.reader(file, strict=True), ()))
    if names not in (COLUMNS, COLUMNS[:-1]):
        raise _no_manifest(path)
    words = pa.dictionary(pa.int32(), pa.string())
    kinds = {field.name: words if pa.types.is_dictionary(field.type) else field.type for field in SCHEMA}
    try:
        table = pa.csv.read_csv(
            local,
            parse_options=pa.csv.ParseOptions(newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                column_types={name: kinds[name] for name in names},
                strings_can_be_null=False,
                null_values=[],
                true_values=[word for word, value in BOOLS.items() if value],
                false_values=[word for word, value in BOOLS.items() if not value],
            ),
        )
    except pa.ArrowInvalid:
        _name_the_fault(local, path)
        raise
    if names != COLUMNS:
        table = table.append_column("modified", pa.repeat(pa.scalar(SINCE, pa.int64()), len(table)))
    return _of_schema(table)


def _of_schema(table: pa.Table) -> pa.Table:
    """The same, with as short numbers as :data:`~kinema.video.manifest.SCHEMA` has."""
    columns = []
    for field in SCHEMA:
        column = table.column(field.name)
        if pa.types.is_dictionary(field.type):  # whose numbers Arrow's own cast leaves as they are
            kind = field.type.index_type
            chunks = column.unify_dictionaries().chunks
            narrow = [pa.DictionaryArray.from_arrays(chunk.indices.cast(kind), chunk.dictionary) for chunk in chunks]
            columns.append(pa.chunked_array(narrow, field.type))
        else:
            columns.append(column.cast(field.type))
    return pa.table(columns, SCHEMA)


def _checked(table: pa.Table, local: Path, path: str | Path) -> pa.Table:
    for words in {word for chunk in table.column("status").chunks for word in chunk.dictionary.to_pylist()}:
        if words not in STATUSES and pc.any(pc.equal(table.column("status").cast(pa.string()), words)).as_py():
            _name_the_fault(local, path)
            raise DataError(f"{shown(path)}: the status should be one of {', '.join(STATUSES)}, not {words!r}")
    return table


def _name_the_fault(local: Path, path: str | Path) -> None:
    """Raise what is wrong with the first line of a CSV file that is no row of a manifest; slower than to read it.

    Raises:
        DataError: one of them is not.
    """
    if local.suffix == PARQUET or local.is_dir():
        return
    with local.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        reader = csv.DictReader(file, strict=True)
        for row in reader:
            place = f"{shown(path)}, line {reader.line_num}"
            try:
                if set(row) != set(reader.fieldnames or ()) or None in row.values():
                    raise ValueError(f"it should have {len(reader.fieldnames or ())} values")
                for field in fields(ManifestEntry):
                    PARSERS[str(field.type)](row.get(field.name, str(SINCE)))
            except (KeyError, ValueError) as error:
                raise DataError(
                    f"{place}: not a row of a manifest ({error}); write it anew with `kinema scan`"
                ) from error
            if row["status"] not in STATUSES:
                raise DataError(f"{place}: the status should be one of {', '.join(STATUSES)}, not {row['status']!r}")


def _no_manifest(path: str | Path) -> DataError:
    return DataError(
        f"{shown(path)} is no manifest, whose columns are {', '.join(COLUMNS)}; write one with `kinema scan`"
    )
