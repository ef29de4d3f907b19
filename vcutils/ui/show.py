"""What a notebook shows: figures with a text for those who cannot see them, players with a caption, a sign of patience."""
import contextlib
import html
import time

import matplotlib.pyplot as plt
from IPython.display import HTML, display

from vcutils.ui.players import players
from vcutils.ui.plots import picture


def show(fig, *, alt, caption):
    """Show a figure in a notebook, with its text and caption.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        It is closed afterwards, so that the notebook does not show it again.
    alt, caption : str
        As for `vcutils.ui.plots.picture`.

    Examples
    --------
    >>> show(plt.figure(), alt="An empty page", caption="Nothing to see.")  # doctest: +SKIP
    """
    display(HTML(picture(fig, alt=alt, caption=caption)))
    plt.close(fig)


def listen(sounds, *, caption=""):
    """Show audio players side by side in a notebook, all equally loud.

    Parameters
    ----------
    sounds : dict of str to (np.ndarray [shape=(n,) or (n_channels, n)], int)
        Title to samples and their rate in Hz.
    caption : str
        What to listen for.

    Raises
    ------
    InputError
        If a sound is empty or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> listen({"silence": (np.zeros(16000), 16000)}, caption="Nothing to hear.")  # doctest: +SKIP
    """
    display(HTML(players(sounds) + (f"<p>{html.escape(caption)}</p>" if caption else "")))


@contextlib.contextmanager
def waiting(text):
    """Show that something is under way that cannot say how far it is; afterwards, how long it took.

    Parameters
    ----------
    text : str
        What is under way.

    Examples
    --------
    >>> with waiting("Counting"):  # doctest: +SKIP
    ...     sum(range(10**8))
    """
    name, began = html.escape(text), time.monotonic()
    shown = display(HTML(f'{name} … <progress aria-label="{name}"></progress>'), display_id=True)
    try:
        yield
    except BaseException:
        if shown:
            shown.update(HTML(f"{name}: stopped"))
        raise
    if shown:  # None outside a notebook
        shown.update(HTML(f"{name}: {time.monotonic() - began:.1f} s"))
