"""The figure: load, workers and latency, with Suricate and without, as SVG written by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT, TOP, PANEL, GAP = 900, 70, 20, 78, 150, 46
WITH, WITHOUT, INK, GREY, WARN = "#1f6fb2", "#c0453a", "#1b2127", "#6b7680", "#a5822a"


@dataclass
class Curve:
    label: str
    colour: str
    points: Sequence[tuple[float, float]]
    is_stepped: bool = False


@dataclass
class Panel:
    title: str
    curves: Sequence[Curve]
    most: float
    target: float | None = None


@dataclass
class Mark:
    at: float
    label: str


def _path(curve: Curve, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    parts, before = [], None
    for t, value in curve.points:
        if before is not None and curve.is_stepped:
            parts.append(f"L{x(t):.1f} {y(before):.1f}")
        parts.append(f"{'M' if before is None else 'L'}{x(t):.1f} {y(value):.1f}")
        before = value
    return " ".join(parts)


def _panel(panel: Panel, top: float, x: Callable[[float], float]) -> list[str]:
    def y(value: float) -> float:
        return top + PANEL * (1 - min(value, panel.most) / panel.most)

    lines = [f'<text x="{LEFT}" y="{top - 10}" font-weight="600" fill="{INK}">{escape(panel.title)}</text>']
    for share in (0, 0.5, 1):
        at = y(panel.most * share)
        lines.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#dde2e6"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end" fill="{GREY}">{panel.most * share:g}</text>')
    if panel.target is not None:
        at = y(panel.target)
        lines.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="{INK}" stroke-dasharray="5 4"/>')
    for number, curve in enumerate(panel.curves):
        lines.append(f'<path d="{_path(curve, x, y)}" fill="none" stroke="{curve.colour}" stroke-width="1.8" stroke-linejoin="round"/>')
        lines.append(f'<text x="{WIDTH - RIGHT - 170 * (len(panel.curves) - number - 1)}" y="{top - 10}" text-anchor="end" '
                     f'fill="{curve.colour}">{escape(curve.label)}</text>')
    return lines


def draw(title: str, subtitle: str, seconds: float, panels: Sequence[Panel], marks: Sequence[Mark]) -> str:
    def x(t: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(t, 0.0), seconds) / seconds

    height = TOP + len(panels) * (PANEL + GAP)
    end = height - GAP
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif" font-size="12.5">',
             f"<title>{escape(title)}</title>", f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
             f'<text x="{LEFT}" y="24" font-size="16" font-weight="600" fill="{INK}">{escape(title)}</text>',
             f'<text x="{LEFT}" y="43" fill="{GREY}">{escape(subtitle)}</text>']
    for number, mark in enumerate(marks):
        lines.append(f'<line x1="{x(mark.at):.1f}" x2="{x(mark.at):.1f}" y1="{TOP}" y2="{end}" stroke="{WARN}" stroke-dasharray="2 3"/>')
        lines.append(f'<text x="{x(mark.at) + 4:.1f}" y="{TOP + PANEL + 15 + 14 * (number % 2)}" fill="{WARN}" font-size="11.5">{escape(mark.label)}</text>')
    for number, panel in enumerate(panels):
        lines += _panel(panel, TOP + number * (PANEL + GAP), x)
    for t in range(0, int(seconds) + 1, 10 if seconds >= 40 else 5):
        lines.append(f'<text x="{x(t):.1f}" y="{end + 18}" text-anchor="middle" fill="{GREY}">{t} s</text>')
    return "\n".join([*lines, "</svg>", ""])
