"""Models: saved as versions with a stage, loaded in one line, never a pickle unasked."""

from __future__ import annotations

import base64
import builtins
import importlib
import json
import os
import pickle
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypedDict

from . import _loaded, errors
from ._objects import collect
from ._plain import plain
from ._transport import Download, call, call_json, path

__all__ = ["ModelVersion", "load_model", "model", "models", "promote", "promotion", "retire", "rollback", "save_model"]

Stage = Literal["live", "candidate"]

_SKOPS = "application/vnd.suricate.model+skops"
_JSON = "application/vnd.suricate.model+json"
_PICKLE = "application/vnd.suricate.model+pickle"
_TYPES = {"json": _JSON, "skops": _SKOPS, "pickle": _PICKLE}
_FORMATS = {media_type: form for form, media_type in _TYPES.items()} | {"application/json": "json"}
_STREAMED_BYTES = 16 << 20

#: Classes of scikit-learn's that skops does not know to be harmless. The first are plain Python. The others are C: what
#: is in them can't run anything, but wrong contents could crash the process, so they are taken for granted in a kernel only.
_HARMLESS = {
    *(f"sklearn.gaussian_process.kernels.{name}" for name in (
        "CompoundKernel", "ConstantKernel", "DotProduct", "ExpSineSquared", "Exponentiation", "Matern", "PairwiseKernel",
        "Product", "RBF", "RationalQuadratic", "Sum", "WhiteKernel")),
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
}  # fmt: skip
_NATIVE = {
    "sklearn.tree._tree.Tree",
    *(f"sklearn.neighbors._{kind}.{name}{bits}" for kind, name in (("kd_tree", "KDTree"), ("ball_tree", "BallTree"))
      for bits in ("", "32", "64")),
    *(f"sklearn.metrics._dist_metrics.{name}Distance{bits}" for name in ("Euclidean", "Manhattan", "Chebyshev", "Minkowski")
      for bits in ("", "32", "64")),
}  # fmt: skip


class ModelVersion(TypedDict):
    """What the server knows of one version of a model."""

    name: str
    version: int
    stage: str
    why: str
    kind: str
    format: str
    metrics: dict[str, float]
    sources: list[Any]
    bytes: int
    sha256: str
    created_at: str
    created_by: str
    run: str | None
    code: str | None
    iteration: dict[str, Any] | None
    decisions: int


def save_model(
    name: str,
    model: Any,
    *,
    metrics: Mapping[str, float] | None = None,
    stage: Stage | None = None,
    kind: str | None = None,
    sources: Iterable[Any] | None = None,
    tags: Iterable[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    allow_pickle: bool = False,
) -> ModelVersion:
    """Save a model as its next version.

    A model of plain values (numbers, text, lists, dictionaries, arrays) is kept as
    JSON, a scikit-learn estimator by skops, which can be read back without running
    foreign code.

    The first version is live at once. Later ones are candidates, unless `stage` says
    otherwise or the model's :func:`promotion` finds them better than the live one.

    Parameters
    ----------
    name : str
        The model's name, for example ``receivers``; the object ``models/receivers`` holds it.
    model : plain values or estimator
        What to keep.
    metrics : mapping, optional
        How good it is: numbers by name.
    stage : {"live", "candidate"}, optional
        What it is to be at once.
    kind : str, optional
        What it is, for example a native detector's kind; ``plain`` or ``scikit-learn`` by default.
    sources : iterable, optional
        What it was learned from: texts, or for example ``{"object": "week1.csv", "version": 3}``.
    tags : iterable of str, optional
        Tags of the object beside ``model``, which it always has.
    metadata : mapping, optional
        Whatever else is to be known; the model's class is added.
    allow_pickle : bool
        Whether anything else may be pickled; an owner must allow it too. Whoever loads a pickle runs what is in it.

    Returns
    -------
    dict
        The version, with its ``stage``, and in ``why`` the reason for it.

    Raises
    ------
    TypeError
        If the model is neither plain nor an estimator, and `allow_pickle` is false.
    Denied
        If it is a pickle, and no owner has allowed them.

    Examples
    --------
    >>> s.save_model("receivers", estimator, metrics={"auc": 0.91})              # doctest: +SKIP
    """
    body, form = dump(model, allow_pickle)
    order = {
        "format": form,
        "kind": kind,
        "stage": stage,
        "metrics": metrics and plain(metrics),
        "sources": None if sources is None else plain([*sources]),
    }
    given = {key: value for key, value in order.items() if value is not None}
    words = None if tags is None else [tags] if isinstance(tags, str) else [*tags]
    known = {**about(model), **plain(metadata or {})}
    answer: ModelVersion
    if len(body) > _STREAMED_BYTES:
        headers = {"Content-Type": _TYPES[form], "X-Suricate-Metadata": json.dumps(known)}
        if words is not None:
            headers["X-Suricate-Tags"] = ",".join(words)
        query = {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
        answer = call("PUT", path("models", bare(name), "content", **query), body=body, headers=headers)
    else:
        item = {**given, "content": base64.b64encode(body).decode(), "type": _TYPES[form], "metadata": known}
        answer = call_json("PUT", path("models", bare(name)), item if words is None else {**item, "tags": words})
    return answer


def load_model(
    name: str,
    *,
    version: int | None = None,
    trusted: Iterable[str] = (),
    allow_pickle: bool = False,
) -> Any:
    """Load a model that :func:`save_model` kept: the live version, or another.

    Loaded without a version it follows what is live: when another version is promoted,
    the very object that was loaded becomes that version with the next window of
    :func:`suricate.follow`, and the window's decisions name it. A number or a text can't
    change; load it within the loop.

    Parameters
    ----------
    name : str
        The model's name.
    version : int, optional
        A version, which it then stays.
    trusted : iterable of str
        Full names of classes outside scikit-learn and numpy that the model may hold.
    allow_pickle : bool
        Whether a pickle may be loaded, which runs what is in it.

    Returns
    -------
    The model.

    Raises
    ------
    NotFound
        If there is no such model, or none of its versions is live.
    Denied
        If it is a pickle and `allow_pickle` is false or no owner allows them, or holds a class not trusted.
    """
    words = [*trusted]
    loaded, number = _fetch(bare(name), version, words, allow_pickle)
    if number == 0:
        return loaded
    again = None if version else lambda newer: _fetch(bare(name), newer, words, allow_pickle)[0]
    return _loaded.note(bare(name), number, loaded, again)


def models(prefix: str | None = None) -> builtins.list[dict[str, Any]]:
    """List models by name, each with its ``live`` version and its ``candidate``.

    Parameters
    ----------
    prefix : str, optional
        Only names that begin so.
    """
    return collect("models", prefix=prefix)


def model(name: str) -> dict[str, Any]:
    """Say what the server knows of a model: live version, versions with metrics and lineage, history."""
    answer: dict[str, Any] = call("GET", path("models", bare(name)))
    return answer


def promote(name: str, version: int | None = None) -> dict[str, Any]:
    """Make a version the live one.

    Parameters
    ----------
    name : str
        The model's name.
    version : int, optional
        Which; the newest candidate by default.

    Returns
    -------
    dict
        The model.
    """
    if version is None:
        version = call("GET", path("models", bare(name), "versions", "candidate"))["version"]
    answer: dict[str, Any] = call_json("POST", path("models", bare(name), "promote"), {"version": version})
    return answer


def rollback(name: str) -> dict[str, Any]:
    """Make the version live that was so before; again: the one before that."""
    answer: dict[str, Any] = call_json("POST", path("models", bare(name), "rollback"), {})
    return answer


def retire(name: str, version: int) -> dict[str, Any]:
    """Withdraw a version; if it is the live one the model has none until another is promoted."""
    answer: dict[str, Any] = call_json("POST", path("models", bare(name), "retire"), {"version": version})
    return answer


def promotion(
    name: str,
    metric: str | None,
    better: Literal["higher", "lower"] = "higher",
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> None:
    """Promote new versions by themselves when they are better than the live one.

    Parameters
    ----------
    name : str
        The model's name; it need not have a version yet.
    metric : str or None
        The metric that decides; None ends the policy.
    better : {"higher", "lower"}
        Which way is better; what is equal is not better.
    at_least, at_most : float, optional
        Bounds outside of which a version stays a candidate.
    """
    where = path("models", bare(name), "promotion")
    if metric is None:
        call("DELETE", where)
        return
    order = {"metric": metric, "better": better, "at_least": at_least, "at_most": at_most}
    call_json("PUT", where, {key: value for key, value in order.items() if value is not None})


def bare(name: str) -> str:
    """Take ``models/`` off a name: the object's name stands for the model too."""
    return name.removeprefix("models/")


def about(model: Any) -> dict[str, Any]:
    """Say what a model is, for its metadata."""
    kind = {_loaded.Values: dict, _loaded.Items: list}.get(type(model), type(model))
    return {"class": f"{kind.__module__}.{kind.__qualname__}"}


def dump(model: Any, allow_pickle: bool) -> tuple[bytes, str]:
    """Give a model's bytes and their format."""
    if _is_estimator(model):
        skops = _skops()
        if skops is not None:
            return skops.dumps(model), "skops"
    else:
        try:
            return json.dumps(plain(model), allow_nan=False).encode(), "json"
        except TypeError:
            pass
    if allow_pickle:
        return pickle.dumps(model), "pickle"
    raise TypeError(
        f"a model of type {type(model).__name__} can only be kept as a pickle here, which runs code when it is "
        "loaded; pass allow_pickle=True if that is what you want, or keep its plain values"
    )


def media_type(form: str) -> str:
    """Give the media type of a format."""
    return _TYPES[form]


# Loading -----------------------------------------------------------------------------------


def _fetch(name: str, version: int | None, trusted: builtins.list[str], allow_pickle: bool) -> tuple[Any, int]:
    """Load a version, the live one if none is given, and say which it was."""
    where = path("models", name, "versions", str(version or "live"), "content")
    try:
        with Download(where) as source:
            headers, body = source.headers, source.read()
    except errors.NotFound as missing:
        headers, body = _plain_object(name, version, missing)
    kind = (headers.get("Content-Type") or "").partition(";")[0]
    form = headers.get("X-Suricate-Model-Format") or _FORMATS.get(kind, kind)
    number = int(headers.get("X-Suricate-Version") or 0) if headers.get("X-Suricate-Model-Format") else 0
    return _load(name, form, body, trusted, allow_pickle), number


def _plain_object(name: str, version: int | None, missing: errors.NotFound) -> tuple[Any, bytes]:
    """Read an object that is no model yet holds one: kept by `write`, or before there were models."""
    try:
        call("GET", path("models", name))
    except errors.NotFound:
        for object_name in (name, f"models/{name}"):
            try:
                with Download(path("objects", object_name, version=version)) as source:
                    return source.headers, source.read()
            except errors.NotFound:
                continue
    raise missing


def _load(name: str, form: str, body: bytes, trusted: builtins.list[str], allow_pickle: bool) -> Any:
    if form == "skops":
        return _load_skops(name, body, trusted)
    if form == "json":
        return json.loads(body)
    if form != "pickle":
        raise errors.Invalid(f"{name} is of type {form or 'unknown'}, not a model; read it with suricate.read")
    if not allow_pickle:
        raise errors.Denied(
            f"{name} is a pickle, and loading one runs what is in it; "
            "pass allow_pickle=True if you trust whoever wrote it"
        )
    return pickle.loads(body)


def _is_estimator(model: Any) -> bool:
    return hasattr(model, "get_params") and hasattr(model, "fit")


def _skops() -> Any:
    try:
        return importlib.import_module("skops.io")
    except ImportError:
        return None


def _load_skops(name: str, body: bytes, trusted: builtins.list[str]) -> Any:
    skops = _skops()
    if skops is None:
        raise errors.Invalid(f"{name} was kept by skops, which this environment lacks")
    known = {*trusted, *_HARMLESS, *(_NATIVE if os.environ.get("SURICATE_SOCKET") else ())}
    found = set(skops.get_untrusted_types(data=body))
    if found - known:
        raise errors.Denied(
            f"{name} holds classes that are not trusted: {', '.join(sorted(found - known))}; "
            "name them in trusted=[…] if you know them"
        )
    return skops.loads(body, trusted=sorted(found))
