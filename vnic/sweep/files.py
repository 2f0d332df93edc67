"""Write the results of a sweep: JSON as they are, CSV and Parquet as a table with a row for each point."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vnic.errors import ConfigError, quoted
from vnic.extras import load
from vnic.own_paths import instead_of
from vnic.sweep.results import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _json(found: Mapping[str, Any]) -> bytes:
    return (json.dumps(found, indent=2) + "\n").encode()


def _csv(found: Mapping[str, Any]) -> bytes:
    table = columns(found)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table)
    writer.writerows([_cell(value) for value in row] for row in zip(*table.values(), strict=True))
    return out.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: Any) -> Any:
    """Return a value as tools read it: true and false, infinity as a word, nothing for None."""
    if isinstance(value, bool):
        return str(value).lower()
    return "inf" if value == math.inf else value


def _parquet(found: Mapping[str, Any]) -> bytes:
    pyarrow = load("pyarrow", "Parquet")
    parquet = load("pyarrow.parquet", "Parquet")
    told = {name: found[name] for name in ("schema", "vnic", "input", "base", "axes", "objectives", "planned")}
    table = pyarrow.table({name: _typed(pyarrow, name, values) for name, values in columns(found).items()})
    table = table.replace_schema_metadata({"vnic.sweep": json.dumps(told)})
    out = io.BytesIO()
    parquet.write_table(table, out)
    return out.getvalue()


_TEXTS = ("limits", "error")
_REALS = ("loss_share", "frames_per_interrupt", "cpu_ns_per_frame")


def _typed(pyarrow: Any, name: str, values: list[Any]) -> Any:
    """Return a column of one type, whatever points there are: None alone would have no type."""
    if name in _TEXTS or any(isinstance(v, str) for v in values):
        kind = pyarrow.string()
    elif name in _REALS or any(isinstance(v, float) for v in values):
        kind = pyarrow.float64()
    elif values and all(isinstance(v, bool) for v in values):
        kind = pyarrow.bool_()
    else:
        kind = pyarrow.int64()
    return pyarrow.array(values, kind)


_WRITERS: dict[str, Callable[[Mapping[str, Any]], bytes]] = {".csv": _csv, ".parquet": _parquet, ".json": _json}


def check(path: str) -> None:
    """Raise ConfigError if no format has this name's ending, MissingExtraError if its package is not installed."""
    if Path(path).suffix.lower() not in _WRITERS:
        raise ConfigError(f"-o {quoted(path)}: the name must end in .csv, .parquet or .json")
    if Path(path).suffix.lower() == ".parquet":
        load("pyarrow.parquet", "Parquet")


def write(path: str, found: Mapping[str, Any]) -> None:
    """Write the dict of :func:`vnic.sweep.results.as_json` in the format of the name's ending, all or nothing.

    OSError: the file cannot be written.
    """
    data = _WRITERS[Path(path).suffix.lower()](found)
    with instead_of(path) as file:
        file.write(data)
