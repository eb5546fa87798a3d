"""What the recipes must find in the sample game, by the league's statistics (the README of the real data lists them)."""

#: Peyton Manning's receivers, as ranked: targets, catches, yards, touchdowns.
OFFICIAL = [
    ("W.Welker", 11, 9, 67, 2),
    ("D.Thomas", 11, 5, 161, 2),
    ("J.Thomas", 7, 5, 110, 2),
    ("K.Moreno", 3, 3, 37, 0),
    ("E.Decker", 7, 2, 32, 0),
    ("R.Hillman", 2, 2, 27, 0),
    ("A.Caldwell", 1, 1, 28, 1),
]

#: The three kinds of his catches: how many, the least and most yards, by whom.
KINDS = [
    (8, [2, 6], {"W.Welker": 5, "E.Decker": 1, "J.Thomas": 1, "K.Moreno": 1}),
    (10, [8, 17], {"W.Welker": 4, "D.Thomas": 2, "R.Hillman": 2, "J.Thomas": 1, "K.Moreno": 1}),
    (9, [23, 78], {"D.Thomas": 3, "J.Thomas": 3, "A.Caldwell": 1, "E.Decker": 1, "K.Moreno": 1}),
]
