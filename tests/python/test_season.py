"""The 267 games of 2013: what the sentences say, held against two other sources.

*The field.* Where the ball lies before the next play says how far this one went. No word
of a sentence is used for it but the name before " pass"; a play counts as caught if the
ball moved. What the lines cannot show is set aside, by class: penalties and fumbles (the
ball moves for other reasons too), ends of halves (no next play), and catches without gain
(the ball did not move).

*The book.* The regular season's totals per passer as the league published them: attempts,
completions, yards, touchdowns, interceptions. They differ where the file lacks plays or
holds them twice, and where the book was corrected after the game.

``pytest -s`` prints both accounts.
"""

from __future__ import annotations

import re

import pandas as pd
import pytest
from conftest import SHARED, needs_shared
from suricate.football import passes

pytestmark = needs_shared

COUNTS = ["attempt", "complete", "yards", "touchdown", "intercepted"]


@pytest.fixture(scope="module")
def season() -> pd.DataFrame:
    return pd.read_csv(SHARED / "nfl-2013.csv.gz")


# The field -----------------------------------------------------------------------------------

#: Where sentence and line disagree, and why. Each was looked at; a yard more or less to either side would be new.
BY_A_YARD = "the next play, the other team's, is spotted a yard off"
FEED = "the file lacks the play that came next, or has it elsewhere"


def read_the_field(season: pd.DataFrame) -> pd.DataFrame:
    """Give each pass with what the lines say of it: ``kind, complete, yards``."""
    plays = season[season["off"].notna()].reset_index()
    after = plays.shift(-1)
    text = plays.description.fillna("").str.rpartition("REVERSED")[2]
    thrown = text.str.extract(r"([A-Z][A-Za-z]*\.\s?[\w'\-]+(?: III)?) pass\b")[0]
    same_side = after["off"] == plays["off"]
    half, next_half = (plays.qtr + 1) // 2, (after.qtr + 1) // 2
    points = after.offscore.where(same_side, after.defscore) - plays.offscore
    moved = plays.ydline - after.ydline.where(same_side, 100 - after.ydline)

    table = pd.DataFrame({"row": plays["index"], "passer": thrown, "kind": "line", "yards": moved})
    table.loc[points == 6, ["kind", "yards"]] = pd.DataFrame({"kind": "score", "yards": plays.ydline})
    table.loc[after.down.isna() & (points != 6), "kind"] = "unknown"
    table.loc[(after.gameid != plays.gameid) | (half != next_half), "kind"] = "half ends"
    table.loc[text.str.contains("PENALTY"), "kind"] = "penalty"
    table.loc[text.str.contains("FUMBLES"), "kind"] = "fumble"
    table.loc[text.str.contains("INTERCEPTED"), "kind"] = "intercepted"
    table.loc[text.str.contains("No Play"), "kind"] = "no play"
    table["complete"] = (table.yards != 0).astype(int)
    return table[thrown.notna() & plays.down.notna()].set_index("row")


def both(season: pd.DataFrame) -> pd.DataFrame:
    """Join what the field says with what the sentences say, one row a play."""
    sentences = passes(season.assign(game=season.index))  # the row's number takes the game's place
    said = sentences.groupby("game")[["attempt", "complete", "yards"]].sum().add_prefix("said_")
    table = read_the_field(season).join(said).fillna({"said_attempt": 0, "said_complete": 0, "said_yards": 0})
    seen = table.kind.isin(["line", "score"])
    agrees = (table.complete == table.said_complete) & (table.yards == table.said_yards)
    no_gain = seen & (table.yards == 0) & (table.said_complete == 1) & (table.said_yards == 0)
    table.loc[no_gain, "kind"] = "no gain"
    table.loc[seen & ~no_gain & ~agrees, "kind"] = FEED
    by_a_yard = (table.kind == FEED) & (table.yards == -1) & (table.said_complete == 0)
    table.loc[by_a_yard, "kind"] = BY_A_YARD
    return table


def test_the_field_tells_the_same_as_the_sentences(season: pd.DataFrame) -> None:
    table = both(season)
    classes = table.groupby("kind").agg(
        plays=("yards", "size"), catches=("said_complete", "sum"), yards=("said_yards", "sum")
    )
    print("\nWhat the lines show, by class (catches and yards as the sentences tell them)")
    print(classes.astype(int))
    seen = table[table.kind.isin(["line", "score", "no gain", BY_A_YARD, FEED])]
    assert len(seen) > 17_700
    assert classes.plays[BY_A_YARD] == 23
    assert classes.plays[FEED] == 17
    assert (table[table.kind == "no play"].said_attempt == 0).all()
    assert (table[table.kind == "intercepted"].said_complete == 0).all()
    aside = classes.drop(["line", "score"]).catches.sum() / classes.catches.sum()
    assert aside < 0.05


def test_totals_per_passer_differ_by_the_named_classes_only(season: pd.DataFrame) -> None:
    table = both(season)
    seen = table.kind.isin(["line", "score"])
    field = table[seen].groupby("passer")[["complete", "yards"]].sum()
    said = passes(season).groupby("passer")[["complete", "yards"]].sum()
    set_aside = table[~seen & (table.said_attempt > 0)]
    explained = set_aside.groupby("passer")[["said_complete", "said_yards"]].sum()
    account = said.join(field.add_suffix("_field")).join(explained).fillna(0).astype(int)
    account["unexplained_catches"] = account.complete - account.complete_field - account.said_complete
    account["unexplained_yards"] = account.yards - account.yards_field - account.said_yards
    print("\nPer passer: by the sentences, by the field, and what the classes set aside explain")
    print(account.sort_values("yards", ascending=False).head(40).to_string())
    unexplained = account[(account.unexplained_catches != 0) | (account.unexplained_yards != 0)]
    assert unexplained.empty, unexplained
    assert account.complete_field.sum() / account.complete.sum() > 0.95


# The book ------------------------------------------------------------------------------------

#: Attempts, completions, yards, touchdowns, interceptions of the regular season.
PUBLISHED = {
    "A.Dalton": (586, 363, 4293, 33, 20), "A.Luck": (570, 343, 3822, 23, 9), "A.Rodgers": (290, 193, 2536, 17, 6),
    "A.Smith": (508, 308, 3313, 23, 7), "B.Hoyer": (96, 57, 615, 5, 3), "B.Roethlisberger": (584, 375, 4261, 28, 14),
    "B.Weeden": (267, 141, 1731, 9, 9), "C.Henne": (503, 305, 3241, 13, 14), "C.Kaepernick": (416, 243, 3197, 21, 8),
    "C.Keenum": (253, 137, 1760, 9, 6), "C.Newton": (473, 292, 3379, 24, 13), "C.Palmer": (572, 362, 4274, 24, 22),
    "C.Ponder": (239, 152, 1648, 7, 9), "D.Brees": (650, 446, 5162, 39, 12), "E.Manning": (551, 317, 3818, 18, 27),
    "E.Manuel": (306, 180, 1972, 11, 9), "G.Smith": (443, 247, 3046, 12, 21), "J.Campbell": (317, 180, 2015, 11, 8),
    "J.Cutler": (355, 224, 2621, 19, 12), "J.Flacco": (614, 362, 3912, 19, 22), "J.Locker": (183, 111, 1256, 8, 4),
    "J.McCown": (224, 149, 1829, 13, 1), "K.Clemens": (242, 142, 1673, 8, 7), "K.Cousins": (155, 81, 854, 4, 7),
    "M.Cassel": (254, 153, 1807, 11, 9), "M.Flynn": (200, 124, 1392, 8, 5), "M.Glennon": (416, 247, 2608, 19, 9),
    "M.McGloin": (211, 118, 1547, 8, 8), "M.Ryan": (651, 439, 4515, 26, 17), "M.Schaub": (358, 219, 2310, 10, 14),
    "M.Stafford": (634, 371, 4650, 29, 19), "M.Vick": (141, 77, 1215, 5, 3), "N.Foles": (317, 203, 2891, 27, 2),
    "P.Manning": (659, 450, 5477, 55, 10), "P.Rivers": (544, 378, 4478, 32, 11), "R.Fitzpatrick": (350, 217, 2454, 14, 12),
    "R.Griffin": (456, 274, 3203, 16, 12), "R.Tannehill": (588, 355, 3913, 24, 17), "R.Wilson": (407, 257, 3357, 26, 9),
    "S.Bradford": (262, 159, 1687, 14, 4), "S.Tolzien": (90, 55, 717, 1, 5), "T.Brady": (628, 380, 4343, 25, 11),
    "T.Lewis": (157, 93, 1092, 4, 3), "T.Pryor": (272, 156, 1798, 7, 11), "T.Romo": (535, 342, 3828, 31, 10),
}  # fmt: skip

CUT_OFF = "the file ends MIA@PIT of 8 December with fifteen minutes to play"
LACKS = "the file lacks plays: the clock jumps by more than a play in {}"
TWICE = "the file has plays twice, in an early wording, in {}"
CORRECTED = "not to be told from this file; the book may have been corrected after the game"

#: Passer -> (what the sentences have more than the book, why).
DIFFERENCES = {
    "B.Roethlisberger": ((-14, -6, -114, 0, 0), CUT_OFF),
    "R.Tannehill": ((-8, -5, -40, -1, 0), CUT_OFF),
    "D.Brees": ((-2, -2, -23, 0, 0), LACKS.format("ARI@NO")),
    "T.Brady": ((-3, -2, -16, 0, 0), LACKS.format("TB@NE")),
    "M.Glennon": ((-2, 0, 0, 0, 0), LACKS.format("TB@NO")),
    "A.Luck": ((2, 2, 8, 0, 0), TWICE.format("IND@SD")),
    "M.McGloin": ((1, 0, 0, 0, 0), TWICE.format("OAK@NYJ")),
    "T.Romo": (
        (0, 0, 12, 0, 0),
        "a fumble at NYG: the sentence has it touched at NYG 44; DAL 44 would give the book's total",
    ),
    "P.Rivers": ((0, 0, 4, 0, 0), CORRECTED),
    "M.Stafford": ((0, 0, -3, 0, 0), CORRECTED),
    "A.Dalton": ((0, 0, 3, 0, 0), CORRECTED),
    "A.Smith": ((1, 0, 0, 0, 1), CORRECTED),
    "R.Griffin": ((1, 1, 8, 0, 0), CORRECTED),
    "J.Cutler": ((1, 1, -2, 0, 0), CORRECTED),
    "J.Campbell": ((-1, 0, 0, 0, -1), CORRECTED),
    "M.Vick": ((0, 0, 1, 0, 0), CORRECTED),
    "T.Pryor": ((-3, -1, 3, 0, 0), CORRECTED),
}


def test_totals_agree_with_the_published_ones_or_the_difference_is_known(season: pd.DataFrame) -> None:
    regular = season[season.gameid.str[:8] < "20140101"]
    totals = passes(regular).groupby("passer")[COUNTS].sum()
    found = {}
    print("\nSentences less the published totals (attempts, completions, yards, touchdowns, interceptions)")
    for passer, published in PUBLISHED.items():
        difference = tuple(int(mine - theirs) for mine, theirs in zip(totals.loc[passer], published, strict=True))
        if any(difference):
            found[passer] = difference
            print(f"  {passer:18}{difference!s:26} {DIFFERENCES.get(passer, ((), 'NEW'))[1]}")
    print(f"  {len(PUBLISHED) - len(found)} of {len(PUBLISHED)} passers agree in all five")
    assert found == {passer: difference for passer, (difference, _) in DIFFERENCES.items()}


@pytest.mark.parametrize(
    ("game", "quarter", "seconds"),
    [("20130922_ARI@NO", 1, 100), ("20130922_TB@NE", 1, 140), ("20131229_TB@NO", 4, 140)],
)
def test_the_clock_shows_where_the_file_lacks_plays(
    season: pd.DataFrame, game: str, quarter: int, seconds: int
) -> None:
    plays = season[(season.gameid == game) & (season.qtr == quarter)]
    assert -(plays["min"] * 60 + plays.sec).diff().min() > seconds


def test_the_file_ends_one_game_early_and_tells_plays_twice_in_two(season: pd.DataFrame) -> None:
    last = season[season.gameid == "20131208_MIA@PIT"].iloc[-1]
    assert last["min"] == 14 and last.qtr == 4
    for game in ("20131014_IND@SD", "20131208_OAK@NYJ"):
        plays = season[season.gameid == game]
        assert (plays["min"] * 60 + plays.sec).diff().max() > 100  # the clock runs backwards: a play out of its place


def test_no_sentence_with_a_pass_is_overlooked(season: pd.DataFrame) -> None:
    """Every play that says somebody passed is an attempt, or one of the few known kinds that are not."""
    text = season.description.fillna("").str.rpartition("REVERSED")[2]
    told = text[text.str.contains(r"[A-Z][\w'\-]+ pass\b|spiked") & ~text.str.contains("No Play|TWO-POINT")]
    read = set(passes(season.assign(game=season.index)).game)
    rest = told[[index not in read for index in told.index]]
    known = re.compile(r" for (-?\d+ yards?|no gain).*pass|NULLIFIED by Penalty|extra point|[Bb]ackward|in the grasp")
    assert [sentence for sentence in rest if not known.search(sentence)] == []
    assert len(rest) < 15
