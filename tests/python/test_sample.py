"""The sample table, held against the statisticians' own record of the game."""

from __future__ import annotations

import pandas as pd
from conftest import SAMPLE, SHARED, needs_shared
from suricate.football import passes

COLUMNS = (
    "game quarter clock offence defence down distance yard_line kind passer receiver complete yards touchdown".split()
)


def sample() -> pd.DataFrame:
    return pd.read_csv(SAMPLE)


def test_it_holds_facts_only() -> None:
    table = sample()
    assert list(table.columns) == COLUMNS and len(table) == 216
    assert table.select_dtypes(exclude="number").apply(lambda column: column.astype(str).str.len().max()).max() <= 18
    assert SAMPLE.read_bytes().isascii() and b"\r" not in SAMPLE.read_bytes()


def test_only_passes_have_a_passer() -> None:
    table = sample()
    thrown = table[table.passer.notna()]
    assert set(thrown.kind) == {"pass"} and (table.kind == "pass").sum() == len(thrown) == 104
    assert thrown[["complete", "yards", "touchdown"]].notna().all(axis=None)
    assert thrown.groupby("passer").complete.sum().to_dict() == {"J.Flacco": 34, "P.Manning": 27}


@needs_shared
def test_every_attempt_of_manning_agrees_with_the_answer_key() -> None:
    key = pd.read_csv(SHARED / "nfl-2013-week1-DEN-BAL-passes.csv")
    mine = sample().query("passer == 'P.Manning'")
    expected = key[["qtr", "time", "down", "togo", "receiver", "complete", "yards", "touchdown"]].values.tolist()
    assert (
        mine[["quarter", "clock", "down", "distance", "receiver", "complete", "yards", "touchdown"]].values.tolist()
        == expected
    )


@needs_shared
def test_every_row_agrees_with_the_real_file() -> None:
    real, mine = pd.read_csv(SHARED / "nfl-2013-week1-DEN-BAL.csv"), sample()
    pairs = {"game": "gameid", "quarter": "qtr", "offence": "off", "defence": "def", "down": "down",
             "distance": "togo", "yard_line": "ydline"}  # fmt: skip
    for ours, theirs in pairs.items():
        pd.testing.assert_series_equal(mine[ours], real[theirs], check_names=False)
    left = real["min"] * 60 + real.sec - (4 - real.qtr) * 900
    assert mine.clock.tolist() == [f"{time // 60:02.0f}:{time % 60:02.0f}" for time in left]
    told = passes(real).drop(columns="intercepted")  # which the sample does not tell
    pd.testing.assert_frame_equal(passes(mine).drop(columns="intercepted"), told, check_dtype=False)
    words = {"kickoff": " kicks ", "punt": " punt", "sack": " sacked ", "kneel": " kneels ", "no play": "No Play",
             "field goal": " field goal ", "extra point": " extra point ", "timeout": "Timeout"}  # fmt: skip
    for kind, word in words.items():
        assert real.description[mine.kind == kind].str.contains(word).all()


@needs_shared
def test_touchdowns_add_up_to_the_score() -> None:
    scored = sample().groupby("offence").agg(touchdowns=("touchdown", "sum"))
    goals = sample().query("kind == 'field goal'").groupby("offence").size()
    assert scored.touchdowns.to_dict() == {"BAL": 3, "DEN": 7}
    assert 7 * 7 == 49 and 3 * 7 + 3 * goals["BAL"] == 27
