"""Scoring with a model: by the server for native kinds, in this process for scikit-learn's."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from . import errors
from ._models import bare, load_model
from ._plain import plain
from ._streams import window
from ._transport import call, call_json, path

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["score"]

ROWS_MAX = 100_000
_METHODS = ("predict_proba", "score_samples", "decision_function", "predict")


def score(
    name: str,
    rows: Any = None,
    *,
    version: int | None = None,
    fields: Iterable[str] | None = None,
    stream: str | None = None,
    from_: str | int | None = None,
    to: str | int | None = None,
    last: str | None = None,
) -> dict[str, Any]:
    """Score rows, or a stretch of a stream, with a model.

    Parameters
    ----------
    name : str
        The model's name.
    rows : DataFrame, list of dict or list of lists, optional
        What to score; or `stream`.
    version : int, optional
        The live one by default.
    fields : iterable of str, optional
        Which columns, in the model's order. By default those that an estimator was fitted
        on, else all.
    stream, from_, to, last : optional
        A stretch of a stream, as in :func:`suricate.window`.

    Returns
    -------
    dict
        ``version``, ``kind`` and ``scores``, one a row. For a native kind they say how rarely the
        learned behaviour would show the row, 0 to 1, and ``values`` has what was judged. For an
        estimator ``method`` says what they are: ``predict_proba`` (of the second of two classes),
        ``score_samples``, ``decision_function`` or ``predict``; ``predictions`` has what it predicts.

    Raises
    ------
    Invalid
        If the model is not of a kind that scores, or expects other rows; the message says which.
    """
    found = call("GET", path("models", bare(name), "versions", str(version or "live")))
    order: dict[str, Any] = {
        "model": bare(name),
        "version": found["version"],
        "fields": None if fields is None else [*fields],
        "stream": stream,
        "from": from_,
        "to": to,
        "last": last,
    }
    if found["format"] == "skops":
        return fulfil(order, rows)
    if rows is not None:
        order["rows"] = plain(rows)
    name = order.pop("model")
    given = {key: value for key, value in order.items() if value is not None}
    answer: dict[str, Any] = call_json("POST", path("models", name, "score"), given)
    return answer


def fulfil(order: Mapping[str, Any], rows: Any = None) -> dict[str, Any]:
    """Score with an estimator in this process, as ``POST /v1/models/{name}/score`` orders it."""
    model = load_model(order["model"], version=order["version"])
    what = f"version {order['version']} of the model {order['model']}"
    table = _table(order, order.get("rows") if rows is None else rows)
    if len(table) > ROWS_MAX:
        raise errors.Invalid(f"at most {ROWS_MAX} rows are scored at once, these are {len(table)}")
    method = next((name for name in _METHODS if hasattr(model, name)), None)
    if method is None:
        raise errors.Invalid(f"{what} is a {type(model).__name__}, which has none of {', '.join(_METHODS)}")
    given = _fitting(model, what, table, order.get("fields"))
    answer = {"version": order["version"], "kind": "scikit-learn", "method": method}
    try:
        scores = getattr(model, method)(given)
        predictions = model.predict(given) if method != "predict" and hasattr(model, "predict") else None
    except (TypeError, ValueError) as error:
        raise errors.Invalid(f"{what}, a {type(model).__name__}, refuses these rows: {error}") from error
    if method == "predict_proba" and scores.shape[1] == 2:
        scores = scores[:, 1]
    answer["scores"] = plain(scores)
    if predictions is not None:
        answer["predictions"] = plain(predictions)
    if hasattr(model, "classes_"):
        answer["classes"] = plain(model.classes_)
    return answer


def _table(order: Mapping[str, Any], rows: Any) -> pd.DataFrame:
    import pandas as pd

    if order.get("stream"):
        return window(order["stream"], last=order.get("last"), from_=order.get("from"), to=order.get("to"))
    return rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows or [])


def _fitting(model: Any, what: str, table: pd.DataFrame, fields: builtins.list[str] | None) -> Any:
    """Give the columns that the model expects, or say which those are."""
    names = getattr(model, "feature_names_in_", None)
    wanted = fields or (None if names is None or isinstance(table.columns[0] if len(table.columns) else 0, int) else [*names])
    missing = [name for name in wanted or () if name not in table.columns]
    if missing:
        raise errors.Invalid(
            f"the rows have no field {', '.join(map(repr, missing))}; {what} was asked for {', '.join(map(str, wanted or ()))}, "
            f"and the rows have {', '.join(map(str, table.columns)) or 'none'}"
        )
    given = table[wanted] if wanted else table
    expected = getattr(model, "n_features_in_", None)
    if expected is not None and given.shape[1] != expected:
        known = "" if names is None else f" ({', '.join(map(str, names))})"
        raise errors.Invalid(f"{what} expects {expected} values a row{known}, these have {given.shape[1]}")
    return given if names is not None and [*given.columns] == [*names] else given.to_numpy()
