"""What one sentence of a play-by-play table is worth."""

from __future__ import annotations

import pandas as pd
import pytest
from suricate.football import Credit, credits, passes, tells_passes

CATCH = Credit("A.Thrower", "B.Catcher", 1, 1, 5, 0, 0)


@pytest.mark.parametrize(
    ("text", "yards", "touchdown"),
    [
        ("(4:07) A.Thrower pass short left to B.Catcher to VIS 44 for 5 yards (E.Corner).", 5, 0),
        ("(:07) A.Thrower pass to B.Catcher to VIS 44 for 1 yard (E.Corner; G.Safety).", 1, 0),
        ("A.Thrower pass deep left to B.Catcher pushed ob at 50 for no gain (E.Corner) [F.Rusher].", 0, 0),
        ("A.Thrower pass short right to B.Catcher ran ob at HOM 14 for -6 yards.", -6, 0),
        ("A.Thrower pass short left to B.Catcher for 78 yards, TOUCHDOWN. Penalty on VIS, Defensive Offside, declined.", 78, 1),
        ("Direction Change. (Shotgun) A.Thrower pass short left to B.Catcher to HOM 9 for 4 yards. Caught at HOM 7. 2-yds YAC", 4, 0),
        ("A.Thrower Aborted. J.Snapper FUMBLES at HOM 8, recovered by HOM-A.Thrower at HOM 8. "
         "A.Thrower pass short left to B.Catcher to HOM 12 for 4 yards (X.Y).", 4, 0),
        ("A.Thrower FUMBLES (Aborted) at HOM 8, and recovers at HOM 7. A.Thrower pass to B.Catcher to HOM 12 for 4 yards.", 4, 0),
        ("A.Thrower pass short left to B.Catcher to HOM 12 for 4 yards. Penalty on HOM, Taunting, offsetting. "
         "Penalty on VIS, Taunting, offsetting.", 4, 0),
        ("A.Thrower pass incomplete to B.Catcher. The ruling was challenged, and the play was REVERSED. "
         "A.Thrower pass short left to B.Catcher to HOM 12 for 4 yards.", 4, 0),
    ],
)  # fmt: skip
def test_a_catch(text: str, yards: int, touchdown: int) -> None:
    assert credits(text, "HOM", 92) == [CATCH._replace(yards=yards, touchdown=touchdown)]


@pytest.mark.parametrize(
    ("text", "receiver", "intercepted"),
    [
        ("(Shotgun) A.Thrower pass incomplete short right to B.Catcher [F.Rusher].", "B.Catcher", 0),
        ("A.Thrower pass incomplete short right.", None, 0),
        ("A.Thrower pass incomplete.", None, 0),
        ("(No Huddle) A.Thrower spiked the ball to stop the clock.", None, 0),
        ("A.Thrower pass short left intended for B.Catcher INTERCEPTED by G.Safety at VIS 5. G.Safety for 95 yards, TOUCHDOWN.", "B.Catcher", 1),
        ("A.Thrower pass deep left INTERCEPTED by G.Safety at VIS 5. G.Safety to VIS 5 for no gain.", None, 1),
        ("A.Thrower pass short left to B.Catcher to VIS 44 for 5 yards (E.Corner). Visitors challenged the pass completion "
         "ruling, and the play was REVERSED. (Shotgun) A.Thrower pass incomplete short left to B.Catcher.", "B.Catcher", 0),
        ("A.Thrower pass incomplete to B.Catcher [F.Rusher]. PENALTY on VIS-F.Rusher, Roughing, 10 yards, enforced at HOM 21.", "B.Catcher", 0),
    ],
)  # fmt: skip
def test_an_attempt_that_is_no_catch(text: str, receiver: str | None, intercepted: int) -> None:
    assert credits(text, "HOM", 92) == [Credit("A.Thrower", receiver, 1, 0, 0, 0, intercepted)]


@pytest.mark.parametrize(
    "text",
    [
        "A.Thrower pass to B.Catcher to HOM 40 for 14 yards. PENALTY on HOM-C.Runner, Holding, 10 yards, enforced at HOM 26 - No Play.",
        "A.Thrower sacked at HOM 40 for -6 yards (F.Rusher).",
        "A.Thrower kneels to HOM 28 for -1 yards.",
        "C.Runner right guard to HOM 24 for 1 yard. Backward pass from A.Thrower.",
        "A.Thrower sacked at HOM 36 for -4 yards. Thrower completed a pass to #88, but was ruled in the grasp.",
        "TWO-POINT CONVERSION ATTEMPT. A.Thrower pass to B.Catcher is complete. ATTEMPT SUCCEEDS.",
        "A.Thrower scrambles up the middle to HOM 26 for 1 yard. A.Thrower pass incomplete to B.Catcher. "
        "PENALTY on HOM-A.Thrower, Illegal Forward Pass, 5 yards, enforced at HOM 26.",
        "A.Thrower pass to B.Catcher to HOM 25 for 5 yards. The play was REVERSED. A.Thrower sacked at HOM 15 for -5 yards.",
        "A.Thrower pass deep right to B.Catcher for 30 yards, TOUCHDOWN NULLIFIED by Penalty. "
        "PENALTY on VIS, Personal Foul, 15 yards, enforced at VIS 30.",
        "H.Kicker extra point is Aborted. The snap is dropped. I.Punter pass incomplete to B.Catcher.",
        "Timeout #1 by HOM at 05:33.",
        "",
    ],
)  # fmt: skip
def test_no_attempt(text: str) -> None:
    assert credits(text, "HOM", 30) == []


@pytest.mark.parametrize(
    ("text", "line", "yards"),
    [
        # a foul on the way brings the catch back to its spot
        ("A.Thrower pass to B.Catcher to VIS 46 for 20 yards (A.B). PENALTY on HOM-C.Runner, Offensive Holding, 10 yards, enforced at HOM 43.", 66, 9),
        ("A.Thrower pass to B.Catcher for 50 yards, TOUCHDOWN NULLIFIED by Penalty. PENALTY on HOM, Offensive Holding, 10 yards, enforced at VIS 24.", 50, 26),
        # one after the play does not
        ("A.Thrower pass to B.Catcher to VIS 32 for 27 yards. PENALTY on VIS-E.Corner, Face Mask (15 Yards), 15 yards, enforced at VIS 32.", 59, 27),
        ("A.Thrower pass to B.Catcher to VIS 32 for 27 yards. PENALTY on HOM-C.Runner, Taunting, 15 yards, enforced between downs.", 59, 27),
        # a fumble: lost backward, lost forward, out of bounds, touched first, own recovery
        ("A.Thrower pass to B.Catcher to VIS 44 for 3 yards (A.B). FUMBLES (A.B), RECOVERED by VIS-C.D at VIS 45. C.D to VIS 45 for no gain.", 47, 2),
        ("A.Thrower pass to B.Catcher to VIS 29 for 28 yards. FUMBLES (A.B), recovered by HOM-C.Runner at VIS 21. C.Runner to VIS 15 for 6 yards.", 57, 28),
        ("A.Thrower pass to B.Catcher to HOM 41 for no gain (A.B). FUMBLES (A.B), ball out of bounds at HOM 40.", 59, -1),
        ("A.Thrower pass to B.Catcher to HOM 36 for 16 yards (A.B). FUMBLES (A.B), touched at HOM 35, recovered by HOM-C.Runner at HOM 32.", 80, 15),
        ("A.Thrower pass to B.Catcher to VIS 15 for 23 yards (A.B). FUMBLES (A.B), and recovers at VIS 8. B.Catcher to VIS 8 for no gain.", 38, 30),
    ],
)  # fmt: skip
def test_where_a_catch_ends(text: str, line: float, yards: int) -> None:
    assert [credit.yards for credit in credits(text, "HOM", line)] == [yards]


def test_a_lateral_gives_yards_but_neither_target_nor_catch() -> None:
    text = (
        "(:16) A.Thrower pass short middle to B.Catcher to VIS 34 for 6 yards. Lateral to C.Runner to VIS 20 for 14 yards. "
        "Lateral to D.Wide for 20 yards, TOUCHDOWN."
    )
    assert credits(text, "HOM", 40) == [
        CATCH._replace(yards=6),
        Credit("A.Thrower", "C.Runner", 0, 0, 14, 0, 0),
        Credit("A.Thrower", "D.Wide", 0, 0, 20, 1, 0),
    ]


@pytest.mark.parametrize(
    "name", ["M.Jones-Drew", "W.Ta'ufo'ou", "Mat.Moore", "A.St. Brown", "R.Griffin III", "O.Beckham Jr."]
)
def test_names(name: str) -> None:
    assert [credit.receiver for credit in credits(f"A.Thrower pass deep left to {name} to HOM 9 for 4 yards.")] == [
        name
    ]


def test_a_table_of_neither_form_is_refused() -> None:
    with pytest.raises(ValueError, match="passer, receiver, complete and yards"):
        passes(pd.DataFrame({"a": [1]}))
    assert not tells_passes(pd.DataFrame({"a": [1]}))


def test_sentences_without_spots_are_read_as_they_stand() -> None:
    table = passes(pd.DataFrame({"description": ["A.Thrower pass to B.Catcher to HOM 9 for 4 yards.", None]}))
    assert table[["passer", "receiver", "yards"]].values.tolist() == [["A.Thrower", "B.Catcher", 4]]
    assert table.game.isna().all()


def test_a_table_without_passes_gives_an_empty_table() -> None:
    assert passes(pd.DataFrame({"description": ["END GAME"]})).empty
