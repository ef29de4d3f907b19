"""Pictures of sound. Every function draws on `ax`, or on a new figure, and returns both, so that pictures combine.

Lines differ in colour and in stroke; the colours are Okabe and Ito's, told apart with any kind of colour vision.
"""
import itertools

import librosa
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter

from vcutils.dsp.effects import long_term_spectrum

STYLES = [("#0072b2", "-"), ("#d55e00", "--"), ("#009e73", "-."), ("#cc79a7", ":"), ("#000000", (0, (6, 2, 1, 2, 1, 2)))]


def waveform(y, *, sr, ax=None):
    """Amplitude over time.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
    sr : int
        Hz.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    fig : matplotlib.figure.Figure
    ax : matplotlib.axes.Axes

    Examples
    --------
    >>> fig, ax = waveform(np.zeros(16000), sr=16000)
    >>> ax.get_xlabel()
    'time (s)'
    """
    fig, ax = _canvas(ax)
    # the highest and lowest sample of each of some thousand columns: what a screen can show
    step = max(1, len(y) // 4000)
    columns = np.pad(y, (0, -len(y) % step), mode="edge").reshape(-1, step)
    t = np.arange(len(columns)) * step / sr
    ax.fill_between(t, columns.min(axis=1), columns.max(axis=1), color=STYLES[0][0], linewidth=0.5)
    ax.set(xlabel="time (s)", ylabel="amplitude (1 = full scale)", xlim=(0, len(y) / sr))
    return fig, ax


def spectrogram(y, *, sr, fmax=None, ax=None):
    """Level over time and frequency.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
    sr : int
        Hz.
    fmax : float, optional
        Top of the picture in Hz; half the rate by default.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    fig : matplotlib.figure.Figure
    ax : matplotlib.axes.Axes

    Examples
    --------
    >>> fig, ax = spectrogram(librosa.tone(440, sr=16000, length=16000), sr=16000, fmax=4000)
    >>> ax.get_ylabel()
    'frequency (kHz)'
    """
    fig, ax = _canvas(ax)
    n_fft = 2 ** round(np.log2(0.064 * sr))  # 64 ms shows the single harmonics of a voice
    hop_length = max(n_fft // 8, len(y) // 1500)  # no more columns than a screen has
    power = np.abs(librosa.stft(y, n_fft=n_fft, hop_length=hop_length)) ** 2
    decibels = librosa.power_to_db(power, ref=np.max)
    image = ax.imshow(
        decibels, origin="lower", aspect="auto", interpolation="nearest",
        cmap="magma", vmin=-80, vmax=0, extent=(0, len(y) / sr, 0, sr / 2000),
    )  # fmt: skip
    ax.set(xlabel="time (s)", ylabel="frequency (kHz)", ylim=(0, (fmax or sr / 2) / 1000))
    fig.colorbar(image, ax=ax, label="level (dB below the loudest)")
    return fig, ax


def f0_contour(f0, *, sr, hop_length, label=None, style=0, khz=False, ax=None):
    """Pitch over time; where the voice has none the line is broken.

    Parameters
    ----------
    f0 : np.ndarray [shape=(n_frames,)]
        Hz; 0 where unvoiced.
    sr, hop_length : int
    label : str, optional
        Name in the legend.
    style : int
        Which of `STYLES` the line has.
    khz : bool
        Draw in kHz on the axis as it is, as a line on top of a `spectrogram`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    fig : matplotlib.figure.Figure
    ax : matplotlib.axes.Axes

    Examples
    --------
    >>> fig, ax = f0_contour(np.array([0.0, 220.0, 220.0, 0.0]), sr=16000, hop_length=160, label="A3")
    >>> ax.get_ylabel()
    'F0 (Hz)'
    """
    fig, ax = _canvas(ax)
    color, stroke = ("#ffffff", "-") if khz else STYLES[style % len(STYLES)]
    t = np.arange(len(f0)) * hop_length / sr
    line = np.where(f0 > 0, f0 / (1000 if khz else 1), np.nan)
    ax.plot(t, line, color=color, linestyle=stroke, linewidth=1.5, label=label)
    if not khz:
        ax.set_yscale("log")  # equal intervals look equal
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        ax.yaxis.set_major_formatter(ScalarFormatter())
        ax.yaxis.set_minor_locator(NullLocator())
        ax.set(xlabel="time (s)", ylabel="F0 (Hz)")
        ax.grid(alpha=0.3)
    if label:
        ax.legend()
    return fig, ax


def long_term_spectra(sounds, *, sr, ax=None):
    """Long-term average spectra over each other, all at the same mean level.

    Parameters
    ----------
    sounds : dict of str to np.ndarray [shape=(n,)]
        Name to sound.
    sr : int
        Hz, of all of them.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    fig : matplotlib.figure.Figure
    ax : matplotlib.axes.Axes

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal(16000)
    >>> fig, ax = long_term_spectra({"white noise": noise}, sr=16000)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['white noise']
    """
    fig, ax = _canvas(ax)
    for (name, y), (color, stroke) in zip(sounds.items(), itertools.cycle(STYLES)):
        frequencies, spectrum = long_term_spectrum(y, sr=sr)
        ax.plot(frequencies, spectrum, color=color, linestyle=stroke, linewidth=1.8, label=name)
    ax.set_xscale("log")
    ticks = [100, 200, 500, 1000, 2000, 5000, 10000, 20000]
    ax.set_xticks(ticks, [str(f) for f in ticks])
    ax.set(xlabel="frequency (Hz)", ylabel="level (dB, mean = 0)", xlim=(frequencies[0], sr / 2))
    ax.grid(alpha=0.3)
    ax.legend()
    return fig, ax


def _canvas(ax):
    if ax is None:
        return plt.subplots(figsize=(9, 3), layout="constrained")
    return ax.figure, ax
