"""The names of the first Suricate, for notebooks written then.

``show`` has kept its name.
"""

from __future__ import annotations

import builtins
import json
import uuid
from typing import TYPE_CHECKING, Any

from ._objects import list as list_infos
from ._objects import read, write
from ._plain import plain
from ._streams import streams, window

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "create_object",
    "list_objects",
    "list_streams",
    "retrieve_from_stream",
    "retrieve_object",
    "update_object",
]


def list_objects(tag: str = "", with_meta: bool = False) -> builtins.list[Any]:
    """List the names of objects.

    Parameters
    ----------
    tag : str
        Only objects with this tag; all by default.
    with_meta : bool
        Whether to give an info for each instead of its name.
    """
    infos = list_infos(tag=tag or None)
    return [*infos] if with_meta else [info["name"] for info in infos]


def create_object(data: Any, name: str | None = None) -> str:
    """Keep anything JSON can hold as a new object.

    Parameters
    ----------
    data : anything JSON can hold
        The content.
    name : str, optional
        The object's name, which must be free; a random one by default.

    Returns
    -------
    str
        The name.
    """
    name = name or f"objects/{uuid.uuid4().hex}"
    write(name, _json(data), type="application/json", if_new=True)
    return name


def retrieve_object(iden: str) -> Any:
    """Give an object's content: what JSON holds as such, anything else as :func:`suricate.read` does."""
    content = read(iden, as_="bytes")
    try:
        return json.loads(content)
    except ValueError:
        return read(iden)


def update_object(iden: str, data: Any) -> None:
    """Replace an object's content by anything JSON can hold."""
    write(iden, _json(data), type="application/json")


def list_streams() -> builtins.list[str]:
    """List the names of streams."""
    return [stream["name"] for stream in streams()]


def retrieve_from_stream(iden: str, interval: float = 60) -> pd.DataFrame:
    """Give the newest messages of a stream as a DataFrame.

    Parameters
    ----------
    iden : str
        The stream's name.
    interval : float
        How many seconds back from the newest message.
    """
    return window(iden, last=f"{round(interval * 1000)}ms")


def _json(data: Any) -> bytes:
    return json.dumps(plain(data), allow_nan=False).encode()
