"""Pass attempts of American football, credited as the league's statisticians credit them.

Two kinds of table are understood:

* a table of facts with a row per play and the columns ``passer``, ``receiver``,
  ``complete``, ``yards`` (and, where known, ``touchdown``, ``game``, ``offence``,
  ``down``, ``distance``, ``yard_line``, ``kind``);
* a play-by-play table whose column ``description`` tells each play in a sentence,
  with ``off`` and ``ydline`` beside it so that spots on the field can be read.

Both come out of :func:`passes` in one form. The module is pure: text and tables in,
a table out, no server. pandas is imported when :func:`passes` is called.

How a sentence is read
----------------------
1. After a ruling was *REVERSED* only the text behind that word counts.
2. *No Play* wipes a play out. *declined* and *offsetting* penalties change nothing.
3. A try for two points has its own book and is no attempt.
4. A throw counts if it is the first thing that happens to the ball: a pass after a run,
   a sack or a recovered fumble is a foul, not an attempt. A snap that was dropped
   (*Aborted*) and picked up again does not spoil the throw after it.
5. A spike is an attempt without a receiver. An interception is an attempt at the man
   for whom it was meant.
6. The catch is worth the first "for N yards". A *Lateral* adds its yards to the passer
   and to the man who carries on, who is given neither a target nor a catch.
7. A penalty enforced short of the play's end moves the end of the catch to that spot.
   Enforced from the line itself after a touchdown *NULLIFIED*, it wipes the play out.
8. A fumble ends the catch where the ball is lost or, if that is shorter, where it is
   next touched or recovered; a receiver who picks up his own fumble goes on from there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Credit", "credits", "passes", "tells_passes"]

_NAME = r"[A-Z][A-Za-z]{0,4}\.\s?(?:St\.\s?)?[A-Z][\w'\-]+(?:\s(?:Jr|Sr)\.|\sI{2,3}\b|\sIV\b)?"
_THROW = re.compile(
    rf"(?P<passer>{_NAME}) pass(?P<incomplete> incomplete)?"
    r"(?: short| deep)?(?: left| middle| right)?"
    rf"(?: (?:to|intended for) (?P<receiver>{_NAME}))?"
)
_SPIKE = re.compile(rf"(?P<passer>{_NAME}) spiked the ball")
_GAIN = re.compile(r"\bfor (?:(?P<yards>-?\d+) yards?|no gain)")
_SCORE = re.compile(r"TOUCHDOWN(?! NULLIFIED)")
_SPOT = r"(?:(?P<side>[A-Z]{2,3}) )?(?P<line>-?\d+)"
_PENALTY = re.compile(rf"PENALTY on [^,]+(?:, [^,]+?)*?, \d+ yards?, enforced at {_SPOT}")
_LOST = re.compile(rf"(?:touched|recovered by \S+|out of bounds) at {_SPOT}", re.IGNORECASE)
_KEPT = re.compile(rf"and recovers at {_SPOT}(?P<more>.*)", re.DOTALL)
_REMARK = re.compile(r"\([^)]*\)|\[[^\]]*\]|\{[^}]*\}")


class Credit(NamedTuple):
    """What one sentence gives to one receiver (or, for a spike, to nobody)."""

    passer: str
    receiver: str | None
    attempt: int
    complete: int
    yards: int
    touchdown: int
    intercepted: int


def credits(text: str, offence: str | None = None, yard_line: float | None = None) -> list[Credit]:
    """Read one sentence.

    Parameters
    ----------
    text : str
        The description of one play.
    offence : str, optional
        Short name of the team in possession, as it stands in the text (``DEN``).
    yard_line : float, optional
        Yards to the opponent's goal before the snap. Without it and `offence`,
        rules 7 and 8 (spots on the field) are left out.

    Returns
    -------
    list of Credit
        Empty if the play is no pass attempt; one for the target; one more for each
        man a lateral reaches.
    """
    text = text.rpartition("REVERSED")[2]
    if "No Play" in text or "TWO-POINT" in text:
        return []
    text = _REMARK.sub("", text)
    throw = _THROW.search(text)
    if throw is None:
        spike = _SPIKE.search(text)
        return [Credit(spike["passer"], None, 1, 0, 0, 0, 0)] if spike else []
    if _GAIN.search(text, 0, throw.start()) or "extra point" in text[: throw.start()]:
        return []
    passer, receiver = throw["passer"], throw["receiver"]
    after = text[throw.end() :]
    if throw["incomplete"] or "INTERCEPTED" in after:
        return [Credit(passer, receiver, 1, 0, 0, 0, int("INTERCEPTED" in after))]

    carried, fumble, loose = after.partition("FUMBLES")
    catch, *laterals = carried.split("Lateral to ")
    yards = _gained(catch)
    if yards is None:
        return []
    if offence and yard_line is not None and not laterals:
        end = _shortened(yards, carried, loose if fumble else None, offence, yard_line)
        if end == 0 < yards and "NULLIFIED" in catch:
            return []
        yards = end
    found = [Credit(passer, receiver, 1, 1, yards, _scored(catch), 0)]
    for leg in laterals:
        carrier = re.match(_NAME, leg)
        if carrier:
            found.append(Credit(passer, carrier[0], 0, 0, _gained(leg) or 0, _scored(leg), 0))
    return found


def tells_passes(table: pd.DataFrame) -> bool:
    """Say whether :func:`passes` would find passes in a table with their down and distance."""
    has_facts = _FACTS.issubset(table.columns) or "description" in table
    return has_facts and all(any(name in table for name in _CONTEXT[wanted]) for wanted in ("down", "distance"))


def passes(plays: pd.DataFrame) -> pd.DataFrame:
    """Give every pass attempt of a table of plays, one row per credit.

    Parameters
    ----------
    plays : DataFrame
        Either form described at the top of this module.

    Returns
    -------
    DataFrame
        Columns ``game, offence, down, distance, yard_line, passer, receiver, attempt,
        complete, yards, touchdown, intercepted``. ``attempt`` to ``intercepted`` are
        integers, so a passer's or receiver's totals are plain sums. A column the
        table lacks is empty.

    Raises
    ------
    ValueError
        If the table has neither form.
    """
    if _FACTS.issubset(plays.columns):
        return _from_facts(plays)
    if "description" in plays:
        return _from_sentences(plays)
    raise ValueError(
        "this table tells no passes: it needs the columns passer, receiver, complete and "
        "yards, or a column description with a sentence per play"
    )


_FACTS = frozenset({"passer", "receiver", "complete", "yards"})
_CONTEXT = {
    "game": ("game", "gameid", "game_id"),
    "offence": ("offence", "off", "posteam"),
    "down": ("down",),
    "distance": ("distance", "togo", "ydstogo"),
    "yard_line": ("yard_line", "ydline", "yardline_100"),
}
_COUNTS = ["attempt", "complete", "yards", "touchdown", "intercepted"]


def _context(plays: pd.DataFrame) -> pd.DataFrame:
    """Bring game, offence, down, distance and yard line under one set of names."""
    import pandas as pd

    context = pd.DataFrame(index=plays.index)
    for name, spellings in _CONTEXT.items():
        column = next((spelling for spelling in spellings if spelling in plays), None)
        context[name] = plays[column] if column else None
    return context


def _from_facts(plays: pd.DataFrame) -> pd.DataFrame:
    rows = plays[plays["passer"].notna()]
    if "kind" in rows:
        rows = rows[rows["kind"].isin(["pass", "spike"])]
    table = _context(rows)
    table["passer"], table["receiver"] = rows["passer"], rows["receiver"]
    table["attempt"] = rows.get("attempt", 1)
    for name in _COUNTS[1:]:
        table[name] = rows.get(name, 0)
    table[_COUNTS] = table[_COUNTS].fillna(0).astype("int64")
    return table.reset_index(drop=True)


def _from_sentences(plays: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    text = plays["description"].fillna("").astype(str)
    plays = plays[text.str.contains(" pass| spiked", regex=True)]
    context = _context(plays)
    found: list[tuple[Any, ...]] = [(index, *credit) for index, credit in _read_all(plays["description"], context)]
    table = pd.DataFrame(found, columns=["row", *Credit._fields]).set_index("row")
    return context.join(table, how="inner").reset_index(drop=True)


def _read_all(text: pd.Series[str], context: pd.DataFrame) -> Iterator[tuple[Any, Credit]]:
    columns = zip(text.index, text, context["offence"], context["yard_line"], strict=True)
    for index, sentence, offence, line in columns:
        known = isinstance(offence, str) and line == line
        for credit in credits(sentence, *((offence, line) if known else ())):
            yield index, credit


def _gained(leg: str) -> int | None:
    gain = _GAIN.search(leg)
    return int(gain["yards"] or 0) if gain else None


def _scored(leg: str) -> int:
    return int(_SCORE.search(leg) is not None)


def _shortened(yards: int, carried: str, loose: str | None, offence: str, start: float) -> int:
    """Apply rules 7 and 8: where the catch really ended, in yards from the line `start`."""
    if loose is None:
        spots = [_reached(penalty, offence, start) for penalty in _PENALTY.finditer(carried)]
        return min([yards, *spots])
    kept = _KEPT.match(loose.lstrip(" ,"))
    if kept:
        return _reached(kept, offence, start) + (_gained(kept["more"]) or 0)
    lost = _LOST.search(loose)
    return min(yards, _reached(lost, offence, start)) if lost else yards


def _reached(spot: re.Match[str], offence: str, start: float) -> int:
    """Yards from the line `start` to a spot such as ``DEN 40``, ``50`` or ``BAL -3``."""
    line = int(spot["line"])
    to_goal = 50 if not spot["side"] else 100 - line if spot["side"] == offence else line
    return int(start) - to_goal
