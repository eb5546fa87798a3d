"""Which models this process has loaded, and how they become the version that is live now.

A model that was loaded by name, without a version, stays what it is until the next
window of :func:`suricate.follow`. Then the server says which version is live, and the
object in the caller's hands *becomes* that version: a dictionary or a list changes its
contents, an estimator its class and its attributes. So every reference to it sees the
new one, and nothing that takes a dictionary or an estimator has to know of this.

References are weak: a model that nobody holds any more is not in use. What was loaded
since the window came was used for it, even if it is gone by the time of the commit.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from . import errors


class Values(dict[str, Any]):
    """A model of plain values: a dict that can be referred to weakly."""

    __slots__ = ("__weakref__",)


class Items(list[Any]):
    """A model that is a list of plain values."""

    __slots__ = ("__weakref__",)


class Loaded:
    """A model in the caller's hands: which version it is, and how to get another."""

    def __init__(self, name: str, version: int, model: Any, load: Callable[[int], Any] | None):
        self.name = name
        self.version = version
        self.load = load
        try:
            self.refer: Callable[[], Any] = weakref.ref(model)
        except TypeError:  # a number, a text: nobody can say when it is gone, and it can't change
            self.refer = lambda: model
            self.load = None


_lock = threading.Lock()
_loaded: list[Loaded] = []
_recent: set[tuple[str, int]] = set()


def note(name: str, version: int, model: Any, load: Callable[[int], Any] | None) -> Any:
    """Remember that a model was loaded, and give it back in a form that can be referred to.

    Parameters
    ----------
    name, version : str, int
        Which.
    model : Any
        What was loaded.
    load : callable, optional
        Loads another version; None for a model that stays the version it is.
    """
    if type(model) is dict:
        model = Values(model)
    elif type(model) is list:
        model = Items(model)
    one = Loaded(name, version, model, load)
    with _lock:
        stale = [other for other in _loaded if other.refer() is None or (_is_plain(other) and other.name == name)]
        _loaded[:] = [other for other in _loaded if other not in stale] + [one]
        _recent.add((name, version))
    return model


def _is_plain(one: Loaded) -> bool:
    return not isinstance(one.refer, weakref.ref)


def _alive() -> list[Loaded]:
    with _lock:
        return [one for one in _loaded if one.refer() is not None]


def changing() -> list[str]:
    """Name the models that become another version when another is live."""
    return sorted({one.name for one in _alive() if one.load})


def begin(live: Mapping[str, int | None]) -> None:
    """Begin a window: what is loaded becomes what is live now.

    Parameters
    ----------
    live : mapping
        The live version of each of :func:`changing`; None where there is none: then
        the loaded one stays in use.

    Raises
    ------
    Conflict
        If the new version is of a kind that the old object can't become.
    """
    with _lock:
        _recent.clear()
    for one in _alive():
        version = live.get(one.name)
        if one.load and version and version != one.version:
            _become(one, version, one.load(version))
            one.version = version


def used() -> list[dict[str, Any]]:
    """Name the models in use since the window began, by version."""
    found = {(one.name, one.version) for one in _alive()}
    with _lock:
        found |= _recent
    return [{"name": name, "version": version} for name, version in sorted(found)]


def _become(one: Loaded, version: int, new: Any) -> None:
    old = one.refer()
    if isinstance(old, dict) and isinstance(new, dict):
        old.clear()
        old.update(new)
    elif isinstance(old, list) and isinstance(new, list):
        old[:] = new
    elif old is not None and not _replace(old, new):
        raise errors.Conflict(
            f"version {version} of the model {one.name}, which is live now, is a {type(new).__name__}, and the "
            f"version {one.version} that was loaded a {type(old).__name__}; load it anew"
        )


def _replace(old: Any, new: Any) -> bool:
    """Give an object another's class and attributes; False if Python can't."""
    if isinstance(old, (dict, list)) or not hasattr(old, "__dict__") or not hasattr(new, "__dict__"):
        return False
    if type(old) is not type(new):
        try:
            old.__class__ = type(new)
        except TypeError:
            return False
    vars(old).clear()
    vars(old).update(vars(new))
    return True
