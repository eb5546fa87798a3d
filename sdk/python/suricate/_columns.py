"""Blocks of columns, as the server keeps and sends them, to DataFrames (docs/reference/columns.md).

A buffer holds any number of blocks, one after the other. Numbers are widened and texts taken
straight from the buffer into the frame's columns; nothing is done value by value in Python.
The server checks the blocks' checksums; here only bounds are.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import errors

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MAGIC = b"SuBlock1"

# magic, first, its check, checksum, size, rows, columns, least and largest event time, size of the part before the data
_HEAD = struct.Struct("<8sQQQQIIqqI12x")
# role, kind, encoding, width, flags, name (at, length), count, scale, data (at, size), checksum, base, step, parts
_ENTRY = struct.Struct("<BBBBB3xIIIIQQQqQIIII")

_FIELD, _TIME, _ARRIVAL, _FLAG, _KEY, _ID, _HEADERS, _BODY, _OFFSET = range(9)
_INT, _FLOAT, _BOOL, _TEXT, _JSON = range(1, 6)
_WHOLE, _DECIMAL, _DOUBLE, _PLAIN, _CODED = range(1, 6)
_HAS_NULLS = 1

_META = {_OFFSET: "_offset", _ARRIVAL: "_arrival", _KEY: "_key", _ID: "_id", _HEADERS: "_headers"}
_LANES = {_INT: "", _FLOAT: "", _TEXT: "", _BOOL: ":bool", _JSON: ":json"}


@dataclass(slots=True)
class Column:
    """One column of one block, still encoded."""

    data: memoryview
    rows: int
    role: int
    kind: int
    encoding: int
    width: int
    name: str
    count: int
    scale: int
    base: int
    step: int
    nulls: int
    parts: tuple[int, int, int]

    def valid(self) -> np.ndarray | None:
        """Which rows have a value, shape (rows,); None: all have."""
        import numpy as np

        if self.nulls < 0:
            return None
        bits = np.frombuffer(self.data, np.uint8, (self.rows + 7) // 8, self.nulls)
        return np.unpackbits(bits, count=self.rows, bitorder="little").view(bool)

    def stored(self) -> np.ndarray:
        """Differences or codes as they are stored, without a copy, shape (rows,); zeros when all are alike."""
        import numpy as np

        if self.width == 0:
            return np.broadcast_to(np.uint8(0), self.rows)
        return np.frombuffer(self.data, f"<u{self.width}", self.rows, self.parts[0])

    def numbers(self, out: np.ndarray) -> None:
        """Decode into `out`, int64 or float64, shape (rows,); nulls are left as they fall."""
        import numpy as np

        if self.encoding == _DOUBLE:
            out[:] = np.frombuffer(self.data, "<f8", self.rows, self.parts[0])
            return
        if self.encoding == _WHOLE and out.dtype != np.int64 and (self.width == 8 or abs(self.base) >= 1 << 52):
            whole = np.empty(self.rows, np.int64)
            self.numbers(whole)
            out[:] = whole
            return
        # Exact in floats too: all are below 2^53.
        np.copyto(out, self.stored(), casting="unsafe")
        if self.step != 1:
            out *= self.step
        if self.base != 0:
            out += self.base
        if self.encoding == _DECIMAL and self.scale:
            out /= float(10**self.scale)

    def texts(self) -> tuple[np.ndarray, memoryview]:
        """Offsets, shape (count + 1,) or (rows + 1,), and the bytes they point into."""
        import numpy as np

        count = self.count if self.encoding == _CODED else self.rows
        offsets = np.frombuffer(self.data, "<i4", count + 1, self.parts[1])
        if count and (offsets[0] < 0 or offsets[-1] > len(self.data) - self.parts[2] or (np.diff(offsets) < 0).any()):
            raise errors.Internal("a block of columns is damaged: its texts lie outside of it")
        return offsets, self.data[self.parts[2] :]


@dataclass(slots=True)
class Block:
    """One block: which messages, and their columns."""

    first: int
    rows: int
    columns: list[Column]


def blocks_of(buffer: Any) -> Iterator[Block]:
    """Read the heads and directories of the blocks in a buffer, in order.

    Parameters
    ----------
    buffer : bytes-like
        Blocks, one after the other; must stay while what is read from it is used.
    """
    view = memoryview(buffer).cast("B")
    while len(view):
        block, size = _block(view)
        yield block
        view = view[size:]


def _block(view: memoryview) -> tuple[Block, int]:
    try:
        magic, first, _, _, size, rows, count, _, _, prelude = _HEAD.unpack_from(view)
        if magic != MAGIC or size > len(view) or size < _HEAD.size or prelude > size:
            raise errors.Internal("these bytes are not a block of columns, or one that was cut off")
        columns = [_column(view, _ENTRY.unpack_from(view, _HEAD.size + i * _ENTRY.size), rows, size) for i in range(count)]
    except (struct.error, UnicodeDecodeError) as error:
        raise errors.Internal(f"a block of columns is damaged: {error}") from error
    return Block(first, rows, columns), size


def _column(view: memoryview, entry: tuple[int, ...], rows: int, block_size: int) -> Column:
    role, kind, encoding, width, flags, name_at, name_len, count, scale, at, size, _, base, step, nulls, data, offsets, texts = entry
    if at + size > block_size:
        raise errors.Internal("a block of columns is damaged: a column lies outside of it")
    name = bytes(view[name_at : name_at + name_len]).decode()
    return Column(view[at : at + size], rows, role, kind, encoding, width, name, count, scale, base, step,
                  nulls if flags & _HAS_NULLS else -1, (data, offsets, texts))  # fmt: skip


def frame_of(buffer: Any, *, index: bool = True, meta: bool = False, lists: bool = False) -> pd.DataFrame:
    """Make a DataFrame of blocks of columns.

    Integers become int64 (float64 where some are missing), floats float64, texts pandas' own
    text type, booleans bool (object where some are missing). A name that stands for values of
    several kinds gives several columns: numbers and texts under the name itself, booleans under
    ``name:bool``, lists under ``name:json``, if the name is not free.

    Parameters
    ----------
    buffer : bytes-like
        Blocks, one after the other.
    index : bool
        Index the rows by event time (`_time`, UTC, in microseconds) when the blocks have it.
    meta : bool
        Also the columns `_offset`, `_arrival`, and `_key`, `_id`, `_headers` where there are any.
    lists : bool
        Lists as Python lists; by default they keep their JSON text, which is a hundred times faster.

    Returns
    -------
    DataFrame
    """
    import numpy as np
    import pandas as pd

    blocks = list(blocks_of(buffer))
    rows = sum(block.rows for block in blocks)
    data: dict[str, Any] = {}
    if meta and blocks:
        data["_offset"] = _offsets(blocks, rows)
    groups = _groups(blocks)
    times = groups.pop((_TIME, "", ""), None)
    for (role, name, lane), pieces in groups.items():
        if role == _FIELD:
            data[_free_name(data, name, lane)] = _values(pieces, rows, lists)
        elif meta and role == _ARRIVAL:
            data["_arrival"] = _instants(pieces, rows)
        elif meta and role in _META and role != _OFFSET:
            data[_META[role]] = _values(pieces, rows, lists)
    labels = None
    if not blocks and index:
        labels = pd.DatetimeIndex(np.empty(0, "M8[us]"), tz="UTC", name="_time")
    if times is not None and index:
        labels = _instants(times, rows).rename("_time")
    elif times is not None and meta:
        data["_time"] = _instants(times, rows)
    return pd.DataFrame(data, index=labels if labels is not None else pd.RangeIndex(rows), copy=False)


_Piece = tuple[int, Column]  # the row at which it begins


def _groups(blocks: list[Block]) -> dict[tuple[int, str, str], list[_Piece]]:
    groups: dict[tuple[int, str, str], list[_Piece]] = {}
    at = 0
    for block in blocks:
        for column in block.columns:
            key = (column.role, column.name, _LANES.get(column.kind, "") if column.role == _FIELD else "")
            groups.setdefault(key, []).append((at, column))
        at += block.rows
    return groups


def _free_name(data: dict[str, Any], name: str, lane: str) -> str:
    return name + lane if name in data else name


def _offsets(blocks: list[Block], rows: int) -> np.ndarray:
    import numpy as np

    out = np.empty(rows, np.int64)
    at = 0
    for block in blocks:
        own = next((column for column in block.columns if column.role == _OFFSET), None)
        if own is not None:
            own.numbers(out[at : at + block.rows])
        else:
            out[at : at + block.rows] = np.arange(block.first, block.first + block.rows)
        at += block.rows
    return out


def _instants(pieces: list[_Piece], rows: int) -> Any:
    import numpy as np
    import pandas as pd

    out = np.zeros(rows, np.int64)
    for at, column in pieces:
        column.numbers(out[at : at + column.rows])
    return pd.DatetimeIndex(pd.Series(out, copy=False).astype("datetime64[us, UTC]"))


def _values(pieces: list[_Piece], rows: int, lists: bool) -> Any:
    kind = max(column.kind for _, column in pieces)
    if kind == _BOOL:
        return _booleans(pieces, rows)
    if kind in (_INT, _FLOAT):
        return _numbers(pieces, rows, kind)
    texts = _texts(pieces, rows)
    return _parsed(texts) if kind == _JSON and lists else texts


def _is_whole(pieces: list[_Piece], rows: int) -> bool:
    """Say whether every row of the frame has a value in these pieces."""
    return sum(column.rows for _, column in pieces) == rows and all(column.nulls < 0 for _, column in pieces)


def _numbers(pieces: list[_Piece], rows: int, kind: int) -> np.ndarray:
    import numpy as np

    is_whole = _is_whole(pieces, rows)
    out = np.empty(rows, np.int64 if kind == _INT and is_whole else np.float64)
    if not is_whole:
        out.fill(np.nan)
    for at, column in pieces:
        part = out[at : at + column.rows]
        column.numbers(part)
        valid = column.valid()
        if valid is not None:
            part[~valid] = np.nan
    return out


def _booleans(pieces: list[_Piece], rows: int) -> np.ndarray:
    import numpy as np

    is_whole = _is_whole(pieces, rows)
    out = np.zeros(rows, bool) if is_whole else np.full(rows, np.nan, object)
    for at, column in pieces:
        values = np.zeros(column.rows, np.int64)
        column.numbers(values)
        part, valid = out[at : at + column.rows], column.valid()
        if valid is None:
            part[:] = values != 0
        else:
            part[valid] = values[valid] != 0
    return out


# Texts --------------------------------------------------------------------------------------


def _texts(pieces: list[_Piece], rows: int) -> Any:
    try:
        import pyarrow as pa
    except ImportError:
        return _object_texts(pieces, rows)
    chunks, at = [], 0
    for begin, column in pieces:
        if begin > at:
            chunks.append(pa.nulls(begin - at, pa.large_string()))
        chunks.append(_arrow(column))
        at = begin + column.rows
    if rows > at:
        chunks.append(pa.nulls(rows - at, pa.large_string()))
    return _as_pandas(pa.chunked_array(chunks, pa.large_string()))


def _as_pandas(chunks: Any) -> Any:
    """Texts as the type that pandas' own readers give them."""
    import pandas as pd

    if int(pd.__version__.partition(".")[0]) >= 3:
        return pd.arrays.ArrowStringArray(chunks, dtype=pd.StringDtype("pyarrow", na_value=float("nan")))
    texts = chunks.to_numpy(zero_copy_only=False)
    if chunks.null_count:
        texts[chunks.is_null().to_numpy()] = float("nan")
    return texts


def _arrow(column: Column) -> Any:
    """A column's texts as a large_string array."""
    import numpy as np
    import pyarrow as pa

    if column.kind in (_INT, _FLOAT):
        return pa.array(_number_texts(column), pa.large_string())
    offsets, data = column.texts()
    valid = None if column.nulls < 0 else pa.py_buffer(column.data[column.nulls : column.nulls + (column.rows + 7) // 8])
    words = pa.Array.from_buffers(pa.large_string(), len(offsets) - 1,
                                  [valid if column.encoding == _PLAIN else None, pa.py_buffer(offsets.astype(np.int64)), pa.py_buffer(data)])  # fmt: skip
    if column.encoding == _PLAIN:
        return words
    if column.width == 0:
        codes = pa.array(np.zeros(column.rows, np.uint8), mask=None if valid is None else ~column.valid())
    else:
        codes = pa.Array.from_buffers({1: pa.uint8(), 2: pa.uint16(), 4: pa.uint32()}[column.width], column.rows,
                                      [valid, pa.py_buffer(column.data[column.parts[0] : column.parts[0] + column.rows * column.width])])  # fmt: skip
    return words.take(codes)


def _number_texts(column: Column) -> list[str | None]:
    """Numbers of a column that holds texts in another block, as the server writes them when it joins the two."""
    import numpy as np

    values = np.empty(column.rows, np.int64 if column.kind == _INT else np.float64)
    column.numbers(values)
    valid = column.valid()
    return [None if valid is not None and not valid[i] else repr(value) for i, value in enumerate(values.tolist())]


def _object_texts(pieces: list[_Piece], rows: int) -> Any:
    """Texts without pyarrow."""
    import numpy as np
    import pandas as pd

    out = np.full(rows, np.nan, object)
    for at, column in pieces:
        part = out[at : at + column.rows]
        if column.kind in (_INT, _FLOAT):
            part[:] = [np.nan if text is None else text for text in _number_texts(column)]
            continue
        offsets, data = column.texts()
        ends = offsets.tolist()
        words = np.array([bytes(data[a:b]).decode() for a, b in zip(ends, ends[1:])] + [""], object)[:-1]
        values = words if column.encoding == _PLAIN else words[column.stored()]
        valid = column.valid()
        if valid is None:
            part[:] = values
        else:
            part[valid] = values[valid]
    return pd.array(out, "str") if int(pd.__version__.partition(".")[0]) >= 3 else out


def _parsed(texts: Any) -> np.ndarray:
    import numpy as np

    out = np.empty(len(texts), object)
    out[:] = [json.loads(text) if isinstance(text, str) else np.nan for text in texts]
    return out
