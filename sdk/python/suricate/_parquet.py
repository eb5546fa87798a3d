"""Streams as Parquet files: a row group at a time, so that memory does not grow with the stretch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import errors
from ._frames import pieces
from ._transport import call, path

GROUP_ROWS = 1 << 17


def write_parquet(stream: str, file: str, query: Mapping[str, Any]) -> None:
    """Write a stretch of a stream.

    The first pass looks which columns there are and of what types, the second writes; a
    field whose type widens within the stretch gets the widest.

    Parameters
    ----------
    stream : str
        Its name.
    file : str
        Where to.
    query : mapping
        ``from``, ``to``, ``last`` of the stretch.
    """
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise errors.Invalid("writing Parquet needs pyarrow: pip install pyarrow") from None
    bounds = _bounds(stream, query)
    schema = _schema(stream, bounds)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for table in _tables(stream, bounds):
            writer.write_table(_fitted(table, schema))


def _bounds(stream: str, query: Mapping[str, Any]) -> dict[str, Any]:
    """Hold the end of the stretch, so that both passes see the same."""
    bounds = {key: value for key, value in query.items() if value is not None}
    if "last" in bounds:
        bounds["from"] = bounds.pop("last")  # a duration before the largest event time, as `last` is
    if bounds.get("to") in (None, "latest"):
        bounds["to"] = call("GET", path("streams", stream))["offsets"]["next"]
    return bounds


def _tables(stream: str, bounds: Mapping[str, Any]) -> Any:
    import pyarrow as pa

    from ._columns import frame_of

    for found in pieces(path("streams", stream, "columns", max=GROUP_ROWS, **bounds)):
        frame = frame_of(found.buffer, index=False, meta=True)
        if len(frame):
            yield pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)


def _schema(stream: str, bounds: Mapping[str, Any]) -> Any:
    import pyarrow as pa

    found = None
    for table in _tables(stream, bounds):
        schema = table.schema
        found = (
            schema
            if found is None
            else pa.schema([_wider(field, found, schema) for field in _all_fields(found, schema)])
        )
    return found if found is not None else pa.schema([pa.field("_offset", pa.int64())])


def _all_fields(one: Any, other: Any) -> list[str]:
    return list(dict.fromkeys([*one.names, *other.names]))


def _wider(name: str, one: Any, other: Any) -> Any:
    """Give the field that can hold both: integers widen to floats, anything to text."""
    import pyarrow as pa

    types = {schema.field(name).type for schema in (one, other) if name in schema.names} - {pa.null()}
    if len(types) == 1:
        return pa.field(name, types.pop())
    if not types:
        return pa.field(name, pa.null())
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in types):
        return pa.field(name, pa.float64() if any(map(pa.types.is_floating, types)) else pa.int64())
    return pa.field(name, pa.large_string())


def _fitted(table: Any, schema: Any) -> Any:
    import pyarrow as pa

    arrays = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
