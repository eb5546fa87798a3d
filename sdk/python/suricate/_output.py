"""What a notebook says to whoever ran it: its result, how far it is, its charts."""

from __future__ import annotations

import sys
from typing import Any

from ._plain import plain

__all__ = ["progress", "result", "show"]

RESULT_TYPE = "application/vnd.suricate.result+json"
PROGRESS_TYPE = "application/vnd.suricate.progress+json"
_TEXT_LIMIT = 2000


def result(value: Any) -> None:
    """Give the run its result: what the API, the command line and the page show of it.

    A second call replaces the first. Outside a kernel the value is printed.

    Parameters
    ----------
    value : anything JSON can hold, numpy and pandas included
        See :func:`suricate.plain`.
    """
    value = plain(value)
    text = repr(value)
    _publish({RESULT_TYPE: value, "text/plain": text if len(text) <= _TEXT_LIMIT else text[:_TEXT_LIMIT] + " …"})


def progress(fraction: float, text: str = "") -> None:
    """Say how far the run is.

    Parameters
    ----------
    fraction : float
        From 0 to 1; what lies outside is brought to the nearer end.
    text : str
        What it is doing.
    """
    fraction = min(1.0, max(0.0, float(fraction)))
    _publish({PROGRESS_TYPE: {"fraction": fraction, "text": text}, "text/plain": f"{fraction:.0%} {text}".strip()})


def show(figure: Any = None) -> None:
    """Show a chart, or anything else a notebook can display.

    Parameters
    ----------
    figure : matplotlib figure or axes, DataFrame, … , optional
        matplotlib's current figure by default. A figure is closed afterwards, so that it
        is not shown once more at the end of the cell.
    """
    if figure is None:
        import matplotlib.pyplot as plt

        figure = plt.gcf()
    elif not hasattr(figure, "savefig") and hasattr(figure, "get_figure"):
        figure = figure.get_figure()
    shell = _shell()
    if shell is None:
        if hasattr(figure, "savefig"):
            figure.show()
        else:
            print(figure)
        return
    from IPython.display import display

    display(figure)
    if hasattr(figure, "savefig"):
        import matplotlib.pyplot as plt

        plt.close(figure)


def _shell() -> Any:
    """Give IPython's shell if this process is a kernel, without importing IPython for nothing."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module else None


def _publish(bundle: dict[str, Any]) -> None:
    if _shell() is None:
        print(bundle["text/plain"])
        return
    from IPython.display import publish_display_data

    publish_display_data(bundle)
