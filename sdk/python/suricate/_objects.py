"""Objects: named, versioned bytes on the server, read and written as what they are."""

from __future__ import annotations

import builtins
import gzip
import io
import json
import mimetypes
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, TypedDict

from . import errors
from ._frames import columns
from ._plain import plain
from ._transport import CHUNK_BYTES, Download, call, call_json, path, send

if TYPE_CHECKING:
    import pandas as pd

Form = Literal["frame", "json", "text", "bytes"]

SNIFF_BYTES = 1 << 16
_DELIMITERS = ",;\t|"

_TYPES = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".ipynb": "application/x-ipynb+json",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".gz": "application/gzip",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
_KINDS = {
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/vnd.apache.parquet": "parquet",
    "application/x-parquet": "parquet",
}
_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
}


class Info(TypedDict):
    """What the server knows of one version of an object."""

    name: str
    version: int
    etag: str
    size: int
    sha256: str
    type: str
    tags: list[str]
    metadata: dict[str, Any]
    created_at: str
    created_by: str
    run: str | None


def read(name: str, as_: Form | None = None, *, version: int | None = None, **options: Any) -> Any:
    """Read an object.

    Parameters
    ----------
    name : str
        The object's name, for example ``nfl/week1.csv``.
    as_ : {"frame", "json", "text", "bytes"}, optional
        What to make of it. By default the name's ending, the object's type and its
        first bytes decide: CSV, TSV, NDJSON and Parquet become a DataFrame, JSON a
        DataFrame if it is a list of records and else the value it holds, text a str,
        anything else bytes. Gzip is taken off.
    version : int, optional
        An older version; the newest by default.
    **options
        Handed to pandas' reader, for example ``usecols=["passer"]``.

    Returns
    -------
    DataFrame, dict, list, str or bytes

    Examples
    --------
    >>> plays = s.read("nfl/week1.csv")                             # doctest: +SKIP
    >>> raw = s.read("nfl/week1.csv", as_="bytes", version=1)       # doctest: +SKIP
    """
    if as_ in (None, "frame") and not options and name.lower().endswith(_COLUMNAR):
        table = _columns(name, version)
        if table is not None:
            return table
    with Download(path("objects", name, version=version)) as download:
        content, kind = _open_content(download, name)
        with content:
            if as_ == "bytes" or (as_ is None and kind == "binary"):
                return content.read()
            if as_ == "text" or (as_ is None and kind == "text"):
                return _decode(content.read())
            if as_ == "json":
                return json.loads(content.read())
            if as_ not in (None, "frame"):
                raise errors.Invalid(f'as_ must be "frame", "json", "text" or "bytes", was {as_!r}')
            if as_ is None and kind == "json":
                return _records_or_value(json.loads(content.read()))
            return _frame(content, kind, name, options)


def download(name: str, file: str | os.PathLike[str], *, version: int | None = None) -> Path:
    """Copy an object into a local file, whatever its size, in constant memory.

    The file appears when it is complete: a download that fails leaves nothing behind.

    Parameters
    ----------
    name : str
        The object's name.
    file : path
        Where to put it; an existing file is replaced.
    version : int, optional
        An older version.

    Returns
    -------
    Path
        The file.
    """
    goal = Path(file)
    with Download(path("objects", name, version=version)) as source:
        handle, partial = tempfile.mkstemp(prefix=f".{goal.name}.", dir=goal.parent)
        try:
            with os.fdopen(handle, "wb") as sink:
                shutil.copyfileobj(source, sink, CHUNK_BYTES)
            os.replace(partial, goal)
        except BaseException:
            os.unlink(partial)
            raise
    return goal


def write(
    name: str,
    value: Any,
    *,
    tags: Iterable[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    type: str | None = None,
    if_match: str | None = None,
    if_new: bool = False,
) -> Info:
    """Write an object; if the name exists already, as its next version.

    Parameters
    ----------
    name : str
        Names may hold slashes: ``models/receivers.json``.
    value : DataFrame, dict, list, str, bytes, matplotlib figure, Path or binary file
        A DataFrame is written as the name's ending says (``.csv``, ``.ndjson``,
        ``.json``, ``.parquet``; else CSV), its index only if it says something. A
        figure becomes PNG, or SVG if the name ends so. A `Path` or an open binary file
        is sent as it is, whatever its size, in constant memory. Everything else that
        JSON can hold is written as JSON. An ending ``.gz`` packs what is not packed.
    tags : iterable of str, optional
        Words to find it by. By default it has none.
    metadata : mapping, optional
        Anything JSON can hold.
    type : str, optional
        The media type, if the one that follows from name and value is not right.
    if_match : str, optional
        Write only if the newest version still has this ``etag``.
    if_new : bool
        Write only if the name is free.

    Returns
    -------
    dict
        The new version's info.

    Raises
    ------
    Conflict
        If `if_match` or `if_new` does not hold.
    """
    body, kind = _encode(name, value)
    headers = {"Content-Type": type or kind}
    if tags is not None:
        words = [tags] if isinstance(tags, str) else [*tags]
        if any("," in word for word in words):
            raise errors.Invalid(f"a tag must not hold a comma: {words}")
        headers["X-Suricate-Tags"] = ",".join(words)
    if metadata is not None:
        headers["X-Suricate-Metadata"] = json.dumps(plain(metadata))
    if if_match is not None:
        headers["If-Match"] = if_match
    if if_new:
        headers["If-None-Match"] = "*"
    try:
        info: Info = call("PUT", path("objects", name), body=body, headers=headers)
    finally:
        if isinstance(value, Path) and isinstance(body, io.IOBase):
            body.close()
    return info


def list(prefix: str | None = None, *, tag: str | None = None) -> builtins.list[Info]:
    """List objects, newest version of each, by name.

    Parameters
    ----------
    prefix : str, optional
        Only names that begin so, for example ``nfl/``.
    tag : str, optional
        Only objects with this tag.

    Returns
    -------
    list of dict
        An info for each.
    """
    return collect("objects", prefix=prefix, tag=tag)


def collect(*parts: str, most: int | None = None, **query: Any) -> builtins.list[Any]:
    """Follow a list's cursor to its end, or until there are `most` items."""
    items: builtins.list[Any] = []
    cursor: str | None = None
    while most is None or len(items) < most:
        limit = 1000 if most is None else min(most - len(items), 1000)
        page = call("GET", path(*parts, **query, limit=limit, cursor=cursor))
        items += page["items"]
        cursor = page.get("next")
        if not cursor:
            break
    return items


def info(name: str, *, version: int | None = None) -> Info:
    """Say what the server knows of an object: size, type, tags, who wrote it and when."""
    answer: Info = call("GET", path("objects", name, view="info", version=version))
    return answer


def versions(name: str) -> builtins.list[Info]:
    """List the versions of an object that are kept, as the server orders them."""
    return collect("objects", name, view="versions")


def preview(name: str, *, version: int | None = None) -> dict[str, Any]:
    """Look into a table without reading it: columns with types and summaries, first rows.

    The server makes it in one pass, once for each version, and keeps it.
    """
    answer: dict[str, Any] = call("GET", path("objects", name, view="preview", version=version), timeout_s=600)
    return answer


def tags(name: str, new: Iterable[str] | None = None) -> builtins.list[str]:
    """Give an object's tags, after replacing them by `new` if that is given."""
    if new is None:
        return info(name)["tags"]
    words = [new] if isinstance(new, str) else [*new]
    answer: Info = call_json("PATCH", path("objects", name), {"tags": words})
    return answer["tags"]


def delete(name: str, *, version: int | None = None) -> None:
    """Delete an object with all its versions, or one version of it."""
    call("DELETE", path("objects", name, version=version))


def exists(name: str) -> bool:
    """Say whether there is an object of that name."""
    try:
        send("HEAD", path("objects", name)).close()
    except errors.NotFound:
        return False
    return True


# Reading -----------------------------------------------------------------------------------


_COLUMNAR = (".csv", ".tsv", ".ndjson", ".jsonl")


def _columns(name: str, version: int | None) -> pd.DataFrame | None:
    """Give a table as the server parsed it, once for each version; None where pandas would read it otherwise."""
    try:
        found = columns(path("objects", name, view="columns", version=version))
    except (errors.Invalid, errors.Limit):
        return None
    if found.headers.get("X-Suricate-Frame") != "same":
        return None
    from ._columns import frame_of

    return frame_of(found.buffer, index=False, lists=True)


def _open_content(source: Download, name: str) -> tuple[IO[bytes], str]:
    """Give the object's bytes, unpacked, and their kind: csv, ndjson, json, parquet, text, binary."""
    content: Any = io.BufferedReader(source, CHUNK_BYTES)
    if content.peek(2)[:2] == b"\x1f\x8b":
        content = io.BufferedReader(gzip.GzipFile(fileobj=content), CHUNK_BYTES)
    return content, _kind(name, source.headers.get("Content-Type") or "", content)


def _kind(name: str, media_type: str, content: Any) -> str:
    stem = name.lower().removesuffix(".gz")
    for suffix, kind in _SUFFIXES.items():
        if stem.endswith(suffix):
            return kind
    media_type = media_type.partition(";")[0].strip().lower()
    if media_type in _KINDS:
        return _KINDS[media_type]
    start = content.peek(4)
    if start[:4] == b"PAR1":
        return "parquet"
    if media_type.endswith("json"):
        return "json"
    if media_type.startswith("text/") or stem.endswith((".txt", ".md", ".py", ".log")):
        return "text"
    return "binary"


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _records_or_value(value: Any) -> Any:
    if value and isinstance(value, builtins.list) and all(isinstance(item, dict) for item in value):
        import pandas as pd

        return pd.DataFrame(value)
    return value


def _frame(content: Any, kind: str, name: str, options: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    if kind == "parquet":
        with tempfile.TemporaryFile() as file:
            shutil.copyfileobj(content, file, CHUNK_BYTES)
            file.seek(0)
            return pd.read_parquet(file, **options)
    if kind == "ndjson":
        return pd.read_json(content, lines=True, **options)
    if kind == "json":
        return pd.DataFrame(json.loads(content.read()), **options)
    start = content.peek(SNIFF_BYTES)[:SNIFF_BYTES]
    options.setdefault("encoding", _guess_encoding(start))
    if b"\0" in start and not options["encoding"].startswith("utf-16"):
        raise errors.Invalid(f'{name} does not look like a table; read it with as_="bytes"')
    if "sep" not in options and "delimiter" not in options:
        options["sep"] = _guess_delimiter(start.decode(options["encoding"], errors="replace"))
    try:
        return pd.read_csv(content, **options)
    except UnicodeDecodeError as error:
        raise errors.Invalid(f'{name} is not {options["encoding"]} throughout; pass encoding="latin-1"') from error


def _guess_encoding(start: bytes) -> str:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        start[: start.rfind(b"\n") + 1].decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig" if start.startswith(b"\xef\xbb\xbf") else "utf-8"


def _guess_delimiter(start: str) -> str:
    """Take the separator that the header has most of, outside quotes."""
    header = "".join(start.partition("\n")[0].split('"')[::2])
    return max(_DELIMITERS, key=header.count)


# Writing -----------------------------------------------------------------------------------


def _encode(name: str, value: Any) -> tuple[bytes | IO[bytes], str]:
    """Give the body and the media type of what is to be written under `name`."""
    if isinstance(value, Path):
        return value.open("rb"), _media_type(name, "application/octet-stream")
    if isinstance(value, io.IOBase) or hasattr(value, "readinto"):
        return value, _media_type(name, "application/octet-stream")
    packed = name.lower().endswith(".gz")
    plain_name = name[:-3] if packed else name
    suffix = Path(plain_name).suffix.lower()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value), _media_type(name, "application/octet-stream")
    if isinstance(value, str):
        content, kind = value.encode(), _media_type(plain_name, "text/plain; charset=utf-8")
    elif hasattr(value, "savefig"):
        content, kind = _figure_bytes(value, suffix)
    elif type(value).__name__ == "DataFrame":
        content, kind = _frame_bytes(value, suffix)
    else:
        content, kind = json.dumps(plain(value), allow_nan=False).encode(), "application/json"
    if packed:
        return gzip.compress(content, mtime=0), "application/gzip"
    return content, kind


def _media_type(name: str, fallback: str) -> str:
    suffix = Path(name).suffix.lower()
    return _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or fallback


def _figure_bytes(figure: Any, suffix: str) -> tuple[bytes, str]:
    form = "svg" if suffix == ".svg" else "png"
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, bbox_inches="tight")
    return buffer.getvalue(), _TYPES[f".{form}"]


def _frame_bytes(frame: pd.DataFrame, suffix: str) -> tuple[bytes, str]:
    import pandas as pd

    says_nothing = isinstance(frame.index, pd.RangeIndex) and frame.index.name is None
    if suffix == ".parquet":
        return frame.to_parquet(index=None if says_nothing else True), _TYPES[suffix]
    table = frame if says_nothing else frame.reset_index()
    if suffix in (".ndjson", ".jsonl"):
        return table.to_json(orient="records", lines=True, date_format="iso").encode(), _TYPES[suffix]
    if suffix == ".json":
        return table.to_json(orient="records", date_format="iso").encode(), _TYPES[suffix]
    separator = "\t" if suffix == ".tsv" else ","
    return table.to_csv(index=False, sep=separator, lineterminator="\n").encode(), _TYPES.get(suffix, "text/csv")
