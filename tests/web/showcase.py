"""Notebooks whose outputs are given, not made: every kind that the page shows, and whatever a hostile author may put there."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterable
from typing import Any

from playwright.sync_api import Page

PLOTLY = "application/vnd.plotly.v1+json"
VEGA_LITE = "application/vnd.vegalite.v5+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
RESULT = "application/vnd.suricate.result+json"


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def data(metadata: dict[str, Any] | None = None, **bundle: Any) -> dict[str, Any]:
    """`data(text_html="…")`; other media types by `data(**{PLOTLY: …})`."""
    named = {key.replace("_", "/", 1) if key.startswith(("text_", "image_", "application_")) else key: value for key, value in bundle.items()}
    return {"output_type": "display_data", "metadata": metadata or {}, "data": named}


def png(width: int, height: int, claimed: tuple[int, int] | None = None) -> str:
    """A picture in base64, a gradient; `claimed` is what its header says instead."""
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + bytes(part for x in range(width) for part in (x * 255 // width, y * 255 // height, 140)) for y in range(height))
    head = struct.pack(">IIBBBBB", *(claimed or (width, height)), 8, 2, 0, 0, 0)
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")).decode()


def book(cells: Iterable[Any]) -> str:
    """A notebook: a text is a markdown cell, anything else the outputs of a code cell."""
    made = []
    for at, cell in enumerate(cells):
        if isinstance(cell, str):
            made.append({"id": f"c{at}", "cell_type": "markdown", "metadata": {}, "source": cell})
        else:
            outputs = cell if isinstance(cell, list) else [cell]
            made.append({"id": f"c{at}", "cell_type": "code", "metadata": {}, "source": "", "execution_count": None, "outputs": outputs})
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made})


def open_book(page: Page, server: Any, name: str, cells: Iterable[Any]) -> None:
    """Stores the notebook and opens it on the page."""
    answer = server.requests.put(f"/v1/notebooks/{name}", data=book(cells).encode())
    assert answer.status_code in (200, 201), answer.text
    page.goto(f"{server.url}/notebooks/{name}")
    page.wait_for_selector(".outputs, .out-markdown")


def walk(page: Page) -> None:
    """Reads the page from its beginning to its end: what is only made when it comes into sight is made."""
    page.evaluate("async () => { for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight / 2) {"
                  " scrollTo(0, y); await new Promise((done) => setTimeout(done, 100)) } }")


TABLE = """<div><style scoped>
    .dataframe tbody tr th:only-of-type { vertical-align: middle; }
    .dataframe tbody tr th { vertical-align: top; }
    .dataframe thead th { text-align: right; }
</style><table border="1" class="dataframe"><thead><tr style="text-align: right;"><th></th><th>player</th><th>goals</th><th>share</th></tr></thead>
<tbody><tr><th>0</th><td>Ada</td><td>12</td><td>0.31</td></tr><tr><th>1</th><td>Grace</td><td>9</td><td>0.23</td></tr><tr><th>2</th><td>Emmy</td><td>7</td><td>0.18</td></tr></tbody></table>
<p>3 rows × 3 columns</p></div>"""

STYLED = """<style type="text/css">#T_a_row0_col1 { background-color: #4aa36b; color: #000; } #T_a_row1_col1 { background-color: #cfe8d6; color: #000 }</style>
<table id="T_a"><thead><tr><th>player</th><th>goals</th></tr></thead><tbody><tr><td>Ada</td><td id="T_a_row0_col1">12</td></tr>
<tr><td>Grace</td><td id="T_a_row1_col1">9</td></tr></tbody></table>"""

SVG = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 120" width="320" height="120"><rect width="320" height="120" fill="#f5f5f5"/>'
       '<polyline points="10,100 70,60 130,75 190,30 250,45 310,15" fill="none" stroke="#0a6c52" stroke-width="3"/></svg>')

TRACEBACK = [
    "\x1b[31m---------------------------------------------------------------------------\x1b[39m",
    "\x1b[31mKeyError\x1b[39m                                  Traceback (most recent call last)",
    "\x1b[36mFile \x1b[39m\x1b[32m/usr/lib/python3/site-packages/pandas/core/indexes/base.py:3805\x1b[39m, in \x1b[36mIndex.get_loc\x1b[39m(self, key)\n"
    "\x1b[32m   3804\x1b[39m \x1b[38;5;28;01mtry\x1b[39;00m:\n\x1b[32m-> 3805\x1b[39m     \x1b[38;5;28;01mreturn\x1b[39;00m self._engine.get_loc(casted_key)",
    "\x1b[36mCell\x1b[39m\x1b[36m \x1b[39m\x1b[32mIn[3]\x1b[39m\x1b[32m, line 2\x1b[39m\n\x1b[32m      1\x1b[39m shots = frame.dropna()\n"
    "\x1b[32m----> 2\x1b[39m \x1b[43mshots\x1b[49m\x1b[43m[\x1b[49m\x1b[33;43m'id'\x1b[39;49m\x1b[43m]\x1b[49m.sum()",
    "\x1b[36mFile \x1b[39m\x1b[32m/usr/lib/python3/site-packages/pandas/core/frame.py:4102\x1b[39m, in \x1b[36mDataFrame.__getitem__\x1b[39m(self, key)\n"
    "\x1b[32m   4101\x1b[39m indexer = self.columns.get_loc(key)",
    "\x1b[31mKeyError\x1b[39m: 'id'"]

FIGURE = {"data": [{"type": "scatter", "x": [1, 2, 3, 4], "y": [2, 5, 3, 8], "name": "observed"}, {"type": "bar", "x": [1, 2, 3, 4], "y": [1, 3, 2, 5], "name": "goals"}],
          "layout": {"title": {"text": "Goals"}}}
CHART = {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "width": 300, "height": 160, "mark": "bar",
         "data": {"values": [{"team": "Ajax", "goals": 3}, {"team": "Benfica", "goals": 5}, {"team": "Celtic", "goals": 2}]},
         "encoding": {"x": {"field": "team", "type": "nominal"}, "y": {"field": "goals", "type": "quantitative"}}}

MARKDOWN = """# Expected goals

What a shot is *worth*: the **share** of shots like it that went in, $p = \\frac{1}{1 + e^{-x}}$. A price of $5 or $6 is no formula.

## Model

$$ x = \\beta_0 + \\sum_{i=1}^{n} \\beta_i z_i $$

- distance to the goal
- angle, in `radians`
- [x] body part
- [ ] pressure

| team | goals |
|---|--:|
| Ajax | 3 |
| Celtic | 2 |

> Numbers are from [the league](https://example.com/league).

```python
model.fit(shots)
```
"""

EVERYTHING: list[Any] = [
    MARKDOWN,
    [stream("reading 48,000 rows\ntraining \x1b[1;32mdone\x1b[0m in \x1b[36m1.2 s\x1b[0m\n"), stream("DataConversionWarning: a column was taken as text\n", "stderr")],
    [stream("\r 10 %\r 55 %\r100 %\n"), stream("".join(f"line {n} of the log\n" for n in range(3000)))],
    data(text_html=TABLE, text_plain="   player  goals"),
    data(text_html=STYLED, text_plain="styled"),
    data({"image/png": {"alt": "Goals by month"}}, image_png=png(360, 140), text_plain="<Figure size 360x140 with 1 Axes>"),
    data(**{"image/svg+xml": SVG, "text/plain": "<Figure>"}),
    data(text_latex="$\\displaystyle \\int_0^\\infty e^{-x^2} dx = \\frac{\\sqrt{\\pi}}{2}$", text_plain="sqrt(pi)/2"),
    data(application_json={"name": "shots", "rows": 48000, "columns": ["x", "y", "goal"], "nested": {"deep": [1, {"er": None}]}, "ok": True}, text_plain="<JSON>"),
    data(**{RESULT: {"accuracy": 0.8731234, "rows": 48000, "best": "logistic", "by team": [{"team": "Ajax", "goals": 3}, {"team": "Celtic", "goals": 2}]}, "text/plain": "r"}),
    {"output_type": "error", "ename": "KeyError", "evalue": "'id'", "traceback": TRACEBACK},
    data(**{PLOTLY: FIGURE, "text/html": "<div>plotly</div>"}),
    data(**{VEGA_LITE: CHART, "text/plain": "<VegaLite>"}),
    data(**{WIDGET: {"model_id": "a"}, "text/plain": "IntSlider(value=3)"}),
    data(application_javascript="element.textContent = 'made by a script';", text_plain="<Javascript>"),
    data(image_png=png(4, 4, claimed=(60000, 60000)), text_plain="bomb"),
]
