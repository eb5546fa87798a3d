"""Models as objects: plain ones as JSON, scikit-learn's by skops, never pickle unasked."""

from __future__ import annotations

import importlib
import json
import pickle
from collections.abc import Iterable, Mapping
from typing import Any

from . import errors
from ._objects import Info, write
from ._plain import plain
from ._transport import Download, path

__all__ = ["load_model", "save_model"]

_SKOPS = "application/vnd.suricate.model+skops"
_JSON = "application/vnd.suricate.model+json"
_PICKLE = "application/vnd.suricate.model+pickle"


def save_model(
    name: str,
    model: Any,
    *,
    tags: Iterable[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    allow_pickle: bool = False,
) -> Info:
    """Save a model as the next version of an object.

    A model of plain values (numbers, text, lists, dictionaries, arrays) is kept as
    JSON, a scikit-learn estimator by skops, which can be read back without running
    foreign code.

    Parameters
    ----------
    name : str
        The object's name, for example ``models/receivers``.
    model : plain values or estimator
        What to keep.
    tags : iterable of str, optional
        Tags beside ``model``, which it always has.
    metadata : mapping, optional
        For example scores; the model's class is added.
    allow_pickle : bool
        Whether anything else may be pickled. Whoever loads a pickle runs what is in it.

    Returns
    -------
    dict
        The new version's info.

    Raises
    ------
    TypeError
        If the model is neither plain nor an estimator, and `allow_pickle` is false.
    """
    body, kind = dump(model, allow_pickle)
    words = dict.fromkeys(["model", *([tags] if isinstance(tags, str) else tags or [])])
    return write(name, body, tags=words, metadata={**about(model), **(metadata or {})}, type=kind)


def load_model(
    name: str,
    *,
    version: int | None = None,
    trusted: Iterable[str] = (),
    allow_pickle: bool = False,
) -> Any:
    """Load a model that :func:`save_model` kept.

    Parameters
    ----------
    name : str
        The object's name.
    version : int, optional
        An older version.
    trusted : iterable of str
        Full names of classes outside scikit-learn and numpy that the model may hold.
    allow_pickle : bool
        Whether a pickle may be loaded, which runs what is in it.

    Returns
    -------
    The model.

    Raises
    ------
    Denied
        If it is a pickle and `allow_pickle` is false, or holds a class not trusted.
    """
    with Download(path("objects", name, version=version)) as source:
        kind = (source.headers.get("Content-Type") or "").partition(";")[0]
        body = source.read()
    if kind == _SKOPS:
        return _load_skops(name, body, [*trusted])
    if kind == _PICKLE:
        if not allow_pickle:
            raise errors.Denied(
                f"{name} is a pickle, and loading one runs what is in it; "
                "pass allow_pickle=True if you trust whoever wrote it"
            )
        return pickle.loads(body)
    if kind in (_JSON, "application/json"):
        return json.loads(body)
    raise errors.Invalid(f"{name} is of type {kind or 'unknown'}, not a model; read it with suricate.read")


def about(model: Any) -> dict[str, Any]:
    """Say what a model is, for its metadata."""
    return {"class": f"{type(model).__module__}.{type(model).__qualname__}"}


def dump(model: Any, allow_pickle: bool) -> tuple[bytes, str]:
    """Give a model's bytes and their media type."""
    if _is_estimator(model):
        skops = _skops()
        if skops is not None:
            return skops.dumps(model), _SKOPS
    else:
        try:
            return json.dumps(plain(model), allow_nan=False).encode(), _JSON
        except TypeError:
            pass
    if allow_pickle:
        return pickle.dumps(model), _PICKLE
    raise TypeError(
        f"a model of type {type(model).__name__} can only be kept as a pickle here, which runs code when it is "
        "loaded; pass allow_pickle=True if that is what you want, or keep its plain values"
    )


def _is_estimator(model: Any) -> bool:
    return hasattr(model, "get_params") and hasattr(model, "fit")


def _skops() -> Any:
    try:
        return importlib.import_module("skops.io")
    except ImportError:
        return None


def _load_skops(name: str, body: bytes, trusted: list[str]) -> Any:
    skops = _skops()
    if skops is None:
        raise errors.Invalid(f"{name} was kept by skops, which this environment lacks")
    unknown = sorted(set(skops.get_untrusted_types(data=body)) - set(trusted))
    if unknown:
        raise errors.Denied(
            f"{name} holds classes that are not trusted: {', '.join(unknown)}; "
            "name them in trusted=[…] if you know them"
        )
    return skops.loads(body, trusted=trusted)
