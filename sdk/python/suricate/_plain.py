"""Plain JSON values out of what notebooks hold: numpy, pandas, dates, sets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """Turn a value into one that JSON can hold.

    DataFrames become lists of records, Series and arrays lists, NaN and infinities
    None, dates RFC 3339 text.

    Raises
    ------
    TypeError
        For a value without a plain form; its message says where it stands.
    """
    return _plain(value, "value")


def _plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return _bare(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_key(key): _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value) if isinstance(value, (set, frozenset)) else value
        return [_plain(item, f"{where}[{number}]") for number, item in enumerate(items)]
    name = type(value).__name__
    if name == "DataFrame":
        return _plain(value.to_dict(orient="records"), where)
    if name in ("NaTType", "NAType"):
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "tolist"):  # numpy scalars and arrays, pandas Series and Index
        return _plain(value.tolist(), where)
    raise TypeError(
        f"{where} is of type {type(value).__module__}.{name}, which JSON cannot hold; "
        "give numbers, text, lists, dictionaries or a DataFrame"
    )


def _bare(value: Any) -> Any:
    """Strip subclasses of str and int (numpy's, enums') that would print differently."""
    if value is None or isinstance(value, bool):
        return value
    return str.__str__(value) if isinstance(value, str) else int(value)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    if hasattr(key, "item"):
        key = key.item()
    return str(key)
