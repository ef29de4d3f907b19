"""Pictures of sound. Every function draws on `ax`, or on a new figure, and returns both, so that pictures combine.

Lines differ in colour and in stroke; the colours are Okabe and Ito's, told apart with any kind of colour vision.
"""
import base64
import html
import io
import itertools

import librosa
import matplotlib.pyplot as plt
import numpy as np
import scipy.fft
from matplotlib.patches import Ellipse, FancyBboxPatch
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
    fig.colorbar(_draw_spectrogram(y, sr, fmax, ax), ax=ax, label="level (dB below the loudest)")
    return fig, ax


def _draw_spectrogram(y, sr, fmax, ax):
    n_fft = 2 ** round(np.log2(0.064 * sr))  # 64 ms shows the single harmonics of a voice
    hop_length = max(n_fft // 8, len(y) // 1500)  # no more columns than a screen has
    power = np.abs(librosa.stft(y, n_fft=n_fft, hop_length=hop_length)) ** 2
    decibels = librosa.power_to_db(power, ref=np.max)
    image = ax.imshow(
        decibels, origin="lower", aspect="auto", interpolation="nearest",
        cmap="magma", vmin=-80, vmax=0, extent=(0, len(y) / sr, 0, sr / 2000),
    )  # fmt: skip
    ax.set(xlabel="time (s)", ylabel="frequency (kHz)", ylim=(0, (fmax or sr / 2) / 1000))
    return image


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
    spectra = {name: long_term_spectrum(y, sr=sr) for name, y in sounds.items()}
    fig, ax = _curves(spectra, ax)
    ax.set_xscale("log")
    ticks = [100, 200, 500, 1000, 2000, 5000, 10000, 20000]
    ax.set_xticks(ticks, [str(f) for f in ticks])
    lowest = min(frequencies[0] for frequencies, _ in spectra.values())
    ax.set(xlabel="frequency (Hz)", ylabel="level (dB, mean = 0)", xlim=(lowest, sr / 2))
    return fig, ax


def envelopes(curves, *, sr, ax=None):
    """Log-mel spectra or envelopes of single frames over each other, all at the same mean level.

    Parameters
    ----------
    curves : dict of str to np.ndarray [shape=(n_mels,)]
        Name to natural log of the amplitude in mel bands; the same number of bands in each.
    sr : int
        Hz.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    fig : matplotlib.figure.Figure
    ax : matplotlib.axes.Axes

    Examples
    --------
    >>> fig, ax = envelopes({"flat": np.zeros(80), "falling": -np.linspace(0, 5, 80)}, sr=16000)
    >>> len(ax.lines)
    2
    """
    n_mels = max(map(len, curves.values()))
    fig, ax = _curves({name: (np.arange(n_mels), 20 / np.log(10) * (curve - np.mean(curve))) for name, curve in curves.items()}, ax)
    ax.set_xticks(*_mel_ticks(n_mels, sr))
    ax.set(xlabel="frequency (kHz, mel scale)", ylabel="level (dB, mean = 0)", xlim=(0, n_mels - 1))
    return fig, ax


def losses(curves, *, ax=None):
    """Losses of trainings over each other.

    Parameters
    ----------
    curves : dict of str to (list of int, list of float)
        Name to training steps and the loss after each.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    fig : matplotlib.figure.Figure
    ax : matplotlib.axes.Axes

    Examples
    --------
    >>> fig, ax = losses({"training": ([100, 200], [1.2, 0.9]), "held out": ([100, 200], [1.3, 1.1])})
    >>> len(ax.lines)
    2
    """
    fig, ax = _curves(curves, ax, marker="o")
    ax.set(xlabel="training step (number)", ylabel="loss (STFT)")
    return fig, ax


def history(history, *, ax=None):
    """The two losses of one training: on the recordings it trains on, and on those that were held out.

    Parameters
    ----------
    history : list of dict
        As `vcutils.train.train` returns it; "step", "stft" and "held_out" are read.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    fig : matplotlib.figure.Figure
    ax : matplotlib.axes.Axes

    Examples
    --------
    >>> fig, ax = history([{"step": 100, "stft": 1.2, "held_out": 1.3}, {"step": 200, "stft": 0.9, "held_out": 1.1}])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['recordings it trains on', 'recordings held out']
    """
    steps = [h["step"] for h in history]
    kinds = {"recordings it trains on": "stft", "recordings held out": "held_out"}
    return losses({name: (steps, [h[key] for h in history]) for name, key in kinds.items()}, ax=ax)


def clouds(points, *, labels, ax=None):
    """Clouds of points over each other, each with its mean and the ellipse that holds most of it.

    Parameters
    ----------
    points : dict of str to np.ndarray [shape=(n, 2)]
        Name to points. Of each cloud at most 400 are drawn, evenly chosen; mean and ellipse are those of all.
    labels : (str, str)
        Of the two axes.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    fig : matplotlib.figure.Figure
    ax : matplotlib.axes.Axes

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal((1000, 2))
    >>> fig, ax = clouds({"here": noise, "there": noise + 5}, labels=("x (m)", "y (m)"))
    >>> len(ax.patches)
    2
    """
    fig, ax = _canvas(ax)
    for (name, cloud), (color, stroke), marker in zip(points.items(), itertools.cycle(STYLES), itertools.cycle(".x+^v")):
        few = cloud[:: max(1, -(-len(cloud) // 400))]
        ax.scatter(*few.T, color=color, marker=marker, s=14, linewidths=0.8, alpha=0.35)
        sizes, axes = np.linalg.eigh(np.cov(cloud.T))
        mean, angle = cloud.mean(axis=0), np.degrees(np.arctan2(*axes[::-1, 1]))
        # two standard deviations to each side
        ax.add_patch(Ellipse(mean, *4 * np.sqrt(sizes[::-1]), angle=angle, fill=False, color=color, linestyle=stroke, linewidth=2, label=name))
        ax.plot(*mean, color=color, marker="os^vD"[len(ax.patches) % 5], markersize=9, markeredgecolor="white")
    ax.set(xlabel=labels[0], ylabel=labels[1])
    ax.legend(loc="upper right")
    return fig, ax


def features(features, *, sr, hop_length, n_mfcc=13, fmax=None):
    """What a recording is made of, on one time axis: waveform, spectrogram, mel bands, MFCC, F0 and loudness.

    Parameters
    ----------
    features : vcutils.dsp.features.Features
        The MFCC are made of its ``mel``: coefficients 1..n_mfcc of the cosine transform.
    sr, hop_length : int
    n_mfcc : int
    fmax : float, optional
        Top of the spectrogram in Hz; half the rate by default.

    Returns
    -------
    fig : matplotlib.figure.Figure
    axes : np.ndarray of matplotlib.axes.Axes [shape=(6,)]

    Examples
    --------
    >>> from vcutils.dsp.features import analyse
    >>> tone = librosa.tone(220, sr=16000, length=16000)
    >>> fig, axes = features(analyse(tone, sr=16000, hop_length=160, n_fft=1024, n_mels=80), sr=16000, hop_length=160)
    >>> [ax.get_title(loc="left") for ax in axes]
    ['waveform', 'spectrogram', 'mel bands', 'MFCC', 'F0', 'loudness']
    """
    fig, grid = plt.subplots(6, 2, figsize=(9, 11), width_ratios=[50, 1], height_ratios=[2, 4, 4, 3, 3, 2], layout="constrained")
    axes, bars = grid.T  # colour bars in a column of their own leave all time axes equally long
    n_frames, n_mels = features.mel.shape
    extent = (-0.5 * hop_length / sr, (n_frames - 0.5) * hop_length / sr)  # frame t is centred on sample t * hop_length
    look = dict(origin="lower", aspect="auto", interpolation="nearest")

    waveform(features.y, sr=sr, ax=axes[0])
    image = _draw_spectrogram(features.y, sr, fmax, axes[1])
    fig.colorbar(image, cax=bars[1], label="level (dB)")

    decibels = 20 / np.log(10) * (features.mel.T - features.mel.max())
    image = axes[2].imshow(decibels, extent=(*extent, -0.5, n_mels - 0.5), cmap="magma", vmin=-80, vmax=0, **look)
    axes[2].set_yticks(*_mel_ticks(n_mels, sr))
    axes[2].set_ylabel("frequency (kHz)")
    fig.colorbar(image, cax=bars[2], label="level (dB)")

    mfcc = scipy.fft.dct(features.mel, axis=1, norm="ortho")[:, 1 : n_mfcc + 1]
    top = np.percentile(np.abs(mfcc), 98) or 1.0
    image = axes[3].imshow(mfcc.T, extent=(*extent, 0.5, n_mfcc + 0.5), cmap="RdBu_r", vmin=-top, vmax=top, **look)
    axes[3].set_ylabel("coefficient (number)")
    fig.colorbar(image, cax=bars[3], label="value")

    f0_contour(features.f0, sr=sr, hop_length=hop_length, ax=axes[4])
    axes[5].plot(np.arange(n_frames) * hop_length / sr, features.loudness, color=STYLES[0][0], linewidth=1.5)
    axes[5].set(ylabel="level (dB)", ylim=(-80, 0))
    axes[5].grid(alpha=0.3)

    for ax, bar, title in zip(axes, bars, ["waveform", "spectrogram", "mel bands", "MFCC", "F0", "loudness"]):
        ax.set_title(title, loc="left", fontsize="medium", fontweight="bold")
        ax.set(xlim=(0, len(features.y) / sr), xlabel="")
        ax.tick_params(labelbottom=ax is axes[-1])
        bar.set_visible(bool(bar.get_ylabel()))
    axes[0].set_ylabel("amplitude")
    axes[-1].set_xlabel("time (s)")
    fig.align_ylabels(axes)
    return fig, axes


def course_map(*, ax=None):
    """The six steps, what each makes, and the order they come in.

    Parameters
    ----------
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    fig : matplotlib.figure.Figure
    ax : matplotlib.axes.Axes

    Examples
    --------
    >>> fig, ax = course_map()
    >>> ax.texts[0].get_text()
    '1 collect'
    """
    steps = {
        "collect": "recordings,\nconsent",
        "preprocess": "F0, loudness,\nenvelope",
        "train": "a generator\nof the voice",
        "generate": "the song in\nthat voice",
        "postprocess": "a finished\ntrack",
        "results": "figures and\nyour ears",
    }
    fig, ax = _canvas(ax, height=1.6)
    for i, (step, makes) in enumerate(steps.items()):
        ax.add_patch(FancyBboxPatch((i - 0.36, 0.62), 0.72, 0.24, boxstyle="round,pad=0.05", facecolor="#e8f1f8", edgecolor=STYLES[0][0]))
        ax.text(i, 0.74, f"{i + 1} {step}", ha="center", va="center", fontsize=11)
        ax.text(i, 0.2, makes, ha="center", va="center", fontsize=10)
        if i:
            ax.annotate("", xy=(i - 0.4, 0.74), xytext=(i - 0.6, 0.74), arrowprops=dict(arrowstyle="-|>", color="black"))
    ax.set(xlim=(-0.6, len(steps) - 0.4), ylim=(0, 1))
    ax.axis("off")
    return fig, ax


def picture(fig, *, alt, caption):
    """A figure as HTML that says in words what it shows.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
    alt : str
        What is in the picture, for those who cannot see it.
    caption : str
        What to look at.

    Returns
    -------
    str

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> 'alt="An empty page"' in picture(Figure(), alt="An empty page", caption="Nothing to see.")
    True
    """
    image = io.BytesIO()
    fig.savefig(image, format="webp", dpi=100, pil_kwargs={"quality": 80})  # a quarter of a PNG's size
    data = base64.b64encode(image.getvalue()).decode()
    return (
        f'<figure class="picture" style="margin:1em 0"><img alt="{html.escape(alt, quote=True)}" style="max-width:100%;background:#fff" '
        f'src="data:image/webp;base64,{data}"><figcaption>{html.escape(caption)}</figcaption></figure>'
    )


def _curves(curves, ax, **look):
    """Lines over each other [name to (x, y)], each in a style of its own, with grid and legend."""
    fig, ax = _canvas(ax)
    for (name, (x, y)), (color, stroke) in zip(curves.items(), itertools.cycle(STYLES)):
        ax.plot(x, y, color=color, linestyle=stroke, linewidth=1.8, label=name, **look)
    ax.grid(alpha=0.3)
    ax.legend()
    return fig, ax


def _mel_ticks(n_mels, sr):
    """Where on an axis of mel bands some round frequencies lie, and their names in kHz."""
    kilohertz = [f for f in (0.25, 0.5, 1, 2, 4, 8, 16) if f < 0.48 * sr / 1000]
    centres = librosa.mel_frequencies(n_mels + 2, fmax=sr / 2)[1:-1]
    return np.interp(np.multiply(kilohertz, 1000), centres, np.arange(n_mels)), [f"{f:g}" for f in kilohertz]


def _canvas(ax, *, height=3):
    if ax is None:
        return plt.subplots(figsize=(9, height), layout="constrained")
    return ax.figure, ax
