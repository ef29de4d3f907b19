"""Step 6: how good is it? Figures that need no pretrained network, a table, and a report to keep or to send.

Speaker similarity and DNSMOS come from pretrained networks, so they appear only where those are installed:
``pip install "vcutils[judge]"``.
"""
import datetime
import functools
import html
import warnings

import librosa
import numpy as np
import scipy.fft
from matplotlib.figure import Figure

from vcutils.collect import load_manifest
from vcutils.dsp import features
from vcutils.dsp.audio import load_audio
from vcutils.dsp.effects import long_term_spectrum
from vcutils.dsp.f0 import estimate_f0, hz_to_semitones
from vcutils.errors import InputError
from vcutils.files import atomic_path
from vcutils.ui import plots
from vcutils.ui.players import players

# key: (name, unit, decimals, what is better, what it means)
METRICS = {
    "speaker_similarity": (
        "similarity", "-1..1", 2, "higher is better",
        "Cosine between the Resemblyzer (GE2E) speaker embeddings of the sound and of the target. "
        "Two recordings of one person reach 0.9 and more, two strangers 0.5 to 0.6.",
    ),
    "dnsmos": (
        "DNSMOS", "1..5", 2, "higher is better",
        "A network's guess at how people would rate the sound quality (P.835, overall). It was made for speech.",
    ),
    "f0_rmse_cents": (
        "F0 RMSE", "cents", 0, "lower is better",
        "Root mean square error: how far the pitch strays from the source's, after the constant distance is taken out. 100 cents are a semitone. "
        "One jump by an octave weighs as much as thousands of small errors.",
    ),
    "raw_pitch_accuracy": (
        "in tune", "share", 3, "higher is better",
        "Of the frames where both have a pitch: the share that lies within 50 cents of the source's, after the constant distance is taken out.",
    ),
    "transpose": ("key", "semitones", 2, "", "By how much the result is higher than the source."),
    "voicing_error": (
        "voicing error", "share", 3, "lower is better", "Share of frames in which one has a pitch and the other has none.",
    ),
    "mcd_db": (
        "MCD", "dB", 1, "lower is better",
        "Mel-cepstral distortion to the source: how differently the words are shaped, with the mean colour of each voice taken out. "
        "A resynthesis of the source has 2 to 3, another vocal tract saying the same 6 to 7, other words 10 and more.",
    ),
    "spectrum_distance_db": (
        "colour", "dB", 1, "lower is better",
        "Distance of the long-term spectrum to the target's, both at the same level: voice, pitch range, room and microphone together.",
    ),
}  # fmt: skip


def score(y, source, target, *, sr):
    """Measure one sound against the song it was made from and the voice it should have.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        The dry voice, before it is mixed with anything.
    source : np.ndarray [shape=(n,)] or None
        What was converted. None if `y` was not made from anything, as a recording of the target: then only what
        compares it with `target` is measured.
    target : np.ndarray [shape=(m,)]
        Recordings of the target, one after the other; half a minute or more that was not trained on.
    sr : int
        Hz, of all three.

    Returns
    -------
    dict
        Keys of `METRICS` to float. A key is absent where it cannot be measured: `speaker_similarity` and `dnsmos`
        without the extra "judge", pitch where nothing is voiced, all that needs a source without one.

    Raises
    ------
    InputError
        If a sound is not mono, too short, silent or not finite, or `y` does not last as long as `source`.

    Notes
    -----
    Words and tune come from the source, the voice from the target: so pitch and MCD compare with the source, colour
    and similarity with the target. MCD between the result and a target recording would say little, as the words
    differ, so here it says whether the words of the source survive. It still contains the change of voice:
    0 is neither possible nor wanted.

    Examples
    --------
    >>> y = librosa.tone(220, sr=16000, length=16000)
    >>> figures = score(y, y, y, sr=16000)
    >>> figures["f0_rmse_cents"], figures["transpose"], figures["mcd_db"], figures["spectrum_distance_db"]
    (0.0, 0.0, 0.0, 0.0)
    """
    y, target = _check(y, "The sound to score", sr), _check(target, "The target recording", sr)
    figures = {"speaker_similarity": _similarity(y, target, sr), "dnsmos": _dnsmos(y, sr)}
    if source is not None:
        source = _check(source, "The source", sr)
        if abs(len(y) - len(source)) > 0.05 * sr:
            raise InputError(
                f"The sound to score lasts {len(y) / sr:.2f} s and its source {len(source) / sr:.2f} s; "
                f"only the conversion of that very source, unmixed and uncut, can be compared with it."
            )
        n = min(len(y), len(source))
        hop_length = round(0.01 * sr)
        f0, f0_source = (estimate_f0(x[:n], sr=sr, hop_length=hop_length) for x in (y, source))
        figures |= compare_f0(f0, f0_source)
        figures["mcd_db"] = mel_cepstral_distortion(y[:n], source[:n], f0, f0_source, sr=sr, hop_length=hop_length)
    spectra = [long_term_spectrum(x, sr=sr)[1] for x in (y, target)]
    figures["spectrum_distance_db"] = float(np.sqrt(np.mean((spectra[0] - spectra[1]) ** 2)))
    return {key: figures[key] for key in METRICS if figures.get(key) is not None}


def compare_f0(f0, f0_source):
    """How well a melody was kept, whatever the key.

    Parameters
    ----------
    f0, f0_source : np.ndarray [shape=(n_frames,)]
        Hz; 0 where unvoiced.

    Returns
    -------
    dict
        "transpose" : the constant interval, the median over frames that both voice, in semitones.
        "f0_rmse_cents" : root mean square of what remains.
        "raw_pitch_accuracy" : share of these frames within 50 cents. mir_eval [1]_ divides by all frames that the
        reference voices; here a frame that lost its voice counts in the next figure only.
        "voicing_error" : share of all frames in which one is voiced and the other is not.
        The first three are absent if both voice fewer than a fifth of the frames that the source voices: there is then
        no melody to speak of.

    References
    ----------
    .. [1] C. Raffel et al., "mir_eval: A transparent implementation of common MIR metrics", ISMIR 2014.
    .. [2] J. Salamon et al., "Melody extraction from polyphonic music signals", IEEE Signal Processing Magazine
       31(2), 2014.

    Examples
    --------
    >>> sung, asked = np.array([440.0, 440.0, 880.0, 0.0]), np.array([220.0, 220.0, 220.0, 220.0])
    >>> figures = compare_f0(sung, asked)
    >>> figures["transpose"], round(figures["raw_pitch_accuracy"], 2), figures["voicing_error"]
    (12.0, 0.67, 0.25)
    """
    both = (f0 > 0) & (f0_source > 0)
    figures = {"voicing_error": float(np.mean((f0 > 0) != (f0_source > 0)))}
    if both.any() and both.sum() >= 0.2 * (f0_source > 0).sum():
        semitones = hz_to_semitones(f0[both] / f0_source[both])
        transpose = np.median(semitones)
        cents = 100 * (semitones - transpose)
        figures["transpose"] = float(transpose)
        figures["f0_rmse_cents"] = float(np.sqrt(np.mean(cents**2)))
        figures["raw_pitch_accuracy"] = float(np.mean(np.abs(cents) < 50))
    return figures


def mel_cepstral_distortion(y, source, f0, f0_source, *, sr, hop_length):
    """How far apart two sounds say the same: the rms difference, in dB, of their smoothed mel spectra.

    10 / ln 10 * sqrt(2 * sum of squared differences of the mel-cepstra 1 to 24) [1]_, taken of an envelope that does
    not carry pitch, after the mean cepstrum of each sound (its mean colour) is subtracted, over the frames in which
    the source sounds (40 dB below its loudest at most), along the path of dynamic time warping [2]_. The path is
    searched in stretches of at most ten seconds, half a second around the diagonal: both sounds are the same
    performance.

    Parameters
    ----------
    y, source : np.ndarray [shape=(n,)]
    f0, f0_source : np.ndarray [shape=(1 + n // hop_length,)]
        Hz; 0 where unvoiced.
    sr, hop_length : int

    Returns
    -------
    float
        dB.

    References
    ----------
    .. [1] R. Kubichek, "Mel-cepstral distance measure for objective speech quality assessment", IEEE Pacific Rim
       Conference on Communications, Computers and Signal Processing, 1993.
    .. [2] M. Müller, "Fundamentals of Music Processing", chapter 3, Springer 2015.

    Examples
    --------
    >>> y = np.random.default_rng(0).standard_normal(16000)
    >>> mel_cepstral_distortion(y, y, np.zeros(101), np.zeros(101), sr=16000, hop_length=160)
    0.0
    """
    n_mels, n_fft = 80, 2 ** round(np.log2(0.064 * sr))
    level = features.loudness(source, sr=sr, hop_length=hop_length, n_fft=n_fft)
    sounding = level > level.max() - 40
    cepstra = []
    for x, pitch in ((y, f0), (source, f0_source)):
        envelope = features.mel_envelope(x, pitch, sr=sr, hop_length=hop_length, n_fft=n_fft, n_mels=n_mels)
        cepstrum = scipy.fft.dct(envelope, axis=1, norm="ortho")[:, 1:25]
        cepstra.append(cepstrum - cepstrum[sounding].mean(axis=0))
    seconds = len(sounding) * hop_length / sr
    distances = []
    for stretch in np.array_split(np.arange(len(sounding)), np.ceil(seconds / 10)):
        a, b = (cepstrum[stretch] for cepstrum in cepstra)
        half_second = min(1.0, 0.5 * sr / hop_length / len(stretch))
        _, path = librosa.sequence.dtw(a.T, b.T, global_constraints=True, band_rad=half_second)
        path = path[sounding[stretch][path[:, 1]]]
        distances.append(np.sum((a[path[:, 0]] - b[path[:, 1]]) ** 2, axis=1))
    # The orthonormal cosine transform has sqrt(n_mels / 2) times Kubichek's coefficients.
    return float(np.mean(10 / np.log(10) * np.sqrt(2 * np.concatenate(distances) * 2 / n_mels)))


def split_recordings(voice, *, sr):
    """The recordings of a voice as one sound, and their end apart: what the voice itself scores is the ceiling.

    Parameters
    ----------
    voice : vcutils.workspace.Voice
        With collected recordings.
    sr : int
        Hz.

    Returns
    -------
    target : np.ndarray [shape=(n,)]
        At most two minutes.
    held_out : np.ndarray [shape=(m,)]
        The last 20 s, or the last quarter if that is less. (Training may have seen parts of it.)

    Raises
    ------
    InputError
        If nothing has been collected, or a recording cannot be read.

    Examples
    --------
    >>> from vcutils.workspace import open_voice
    >>> split_recordings(open_voice("nobody"), sr=16000)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    vcutils.errors.InputError: The voice 'nobody' has no result of step 'collect' ...
    """
    recordings = np.concatenate([load_audio(voice.recordings / file["file"], sr=sr)[0] for file in load_manifest(voice)["files"]])
    n = min(20 * sr, len(recordings) // 4)
    return recordings[:-n][-120 * sr :], recordings[-n:]


def compare(sounds, *, source, target, sr, held_out=None):
    """Score several conversions of one song between the two ends of the scale.

    Parameters
    ----------
    sounds : dict of str to np.ndarray [shape=(n,)]
        Name to sound, for example ``{"recipe": ..., "result": ...}``.
    source, target : np.ndarray
        As for `score`.
    sr : int
        Hz, of all of them.
    held_out : np.ndarray [shape=(k,)], optional
        Another recording of the target: the ceiling.

    Returns
    -------
    list of dict
        One row a sound, each with "name" and the keys of `score`: first the source, unconverted (the floor), then
        `sounds` in their order, then `held_out` (the ceiling).

    Raises
    ------
    InputError
        As `score`.

    Examples
    --------
    >>> y = librosa.tone(220, sr=16000, length=16000)
    >>> [row["name"] for row in compare({"result": y}, source=y, target=y, sr=16000)]
    ['source (floor)', 'result']
    """
    rows = [{"name": "source (floor)", **score(source, source, target, sr=sr)}]
    rows += [{"name": name, **score(y, source, target, sr=sr)} for name, y in sounds.items()]
    if held_out is not None:
        rows.append({"name": "target (ceiling)", **score(held_out, None, target, sr=sr)})
    return rows


def format_table(rows):
    """The rows of `compare` as text, for a terminal or a notebook.

    Parameters
    ----------
    rows : list of dict

    Returns
    -------
    str
        A line with names, a line with units, a line a row; a figure that a row lacks is a dash.

    Examples
    --------
    >>> print(format_table([{"name": "result", "raw_pitch_accuracy": 0.98, "mcd_db": 6.5}, {"name": "target"}]))
           in tune MCD
             share  dB
    result   0.980 6.5
    target       -   -
    """
    columns = _columns(rows)
    cells = [["", *(METRICS[key][0] for key in columns)], ["", *(METRICS[key][1] for key in columns)]]
    cells += [[row["name"], *(_cell(row, key) for key in columns)] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    return "\n".join(" ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:]))]).rstrip() for row in cells)


def _columns(rows):
    return [key for key in METRICS if any(key in row for row in rows)]


def _cell(row, key):
    decimals = METRICS[key][2]
    return f"{round(row[key], decimals) + 0.0:.{decimals}f}" if key in row else "-"  # + 0.0: no minus before a zero


def write_report(path, sounds, *, source, target, sr, held_out=None, cover=None, title="A cloned voice sings", provenance=None):
    """Write one HTML page that needs nothing else: table, players, pictures, provenance.

    Parameters
    ----------
    path : str or Path
    sounds : dict of str to np.ndarray [shape=(n,)]
        As for `compare`. The last one is the result that the pictures are about.
    source, target, sr, held_out
        As for `compare`.
    cover : (np.ndarray [shape=(n,) or (n_channels, n)], int), optional
        The finished track and its rate in Hz, for a player.
    title : str
    provenance : dict of str to str, optional
        What the page should say about where the sound comes from: voice, consent, model, song ...

    Returns
    -------
    list of dict
        The rows of the table, as from `compare`.

    Raises
    ------
    InputError
        As `score`, or if the page cannot be written.

    Notes
    -----
    The players hold the first 60 seconds of each sound, so that the page stays a few MB. The figures are of the whole
    length: with the recipe trained and the song sent through it, `vcutils report` took 11 minutes and 2 GB for a song of ten
    minutes, on two cores that were busy with other things too.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> y, path = librosa.tone(220, sr=16000, length=16000), Path(tempfile.mkdtemp()) / "report.html"
    >>> rows = write_report(path, {"result": y}, source=y, target=y, sr=16000)
    >>> path.stat().st_size < 500_000
    True
    """
    rows = compare(sounds, source=source, target=target, sr=sr, held_out=held_out)
    voices = {"source": source, **sounds, "target": target if held_out is None else held_out}
    heard = {name: (y[: 60 * sr], sr) for name, y in voices.items()}
    if cover is not None:
        heard = {"cover (finished track)": (cover[0][..., : 60 * cover[1]], cover[1]), **heard}
    made = {"Made on": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"), **(provenance or {})}
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        '<p class="notice" role="note"><strong>This audio is synthetic.</strong> A computer made it with a model of a real '
        "person's voice; that person did not sing or say it. Say so wherever you publish it.</p>",
        "<h2>Listen</h2><p>All players are equally loud. Starting one pauses the others.</p>" + players(heard),
        "<h2>Figures</h2>" + _table(rows),
        "<h2>Pictures</h2>" + _pictures(voices, list(sounds)[-1], rows, sr),
        "<h2>Where it comes from</h2><dl>"
        + "".join(f"<dt>{html.escape(str(k))}</dt><dd>{html.escape(str(v))}</dd>" for k, v in made.items())
        + "</dl>",
    ]
    page = _PAGE.replace("{title}", html.escape(title)).replace("{body}", "\n".join(parts))
    with atomic_path(path) as tmp:
        tmp.write_text(page, encoding="utf-8", errors="replace")  # a name need not be Unicode
    return rows


def _table(rows):
    columns = _columns(rows)
    head, meanings = "", ""
    for key in columns:
        name, unit, _, better, meaning = METRICS[key]
        head += f'<th scope="col">{name}<br><small>{unit}<br>{better}</small></th>'
        meanings += f"<dt>{name}</dt><dd>{meaning}</dd>"
    body = ""
    for row in rows:
        cells = "".join(f"<td>{_cell(row, key)}</td>" for key in columns)
        body += f'<tr><th scope="row">{html.escape(row["name"])}</th>{cells}</tr>'
    if "speaker_similarity" not in columns:
        meanings += '<dt>similarity, DNSMOS</dt><dd>Not measured: install them with <code>pip install "vcutils[judge]"</code>.</dd>'
    return (
        "<p>The floor is the source as it was, the ceiling another recording of the target. A dash: there is nothing to measure, "
        "as no pitch was found or no song was sung.</p>"
        '<div class="wide" tabindex="0" role="region" aria-label="Table of figures"><table><caption>Each sound, measured</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div><h3>What each figure means</h3><dl>{meanings}</dl>"
    )


def _pictures(voices, result, rows, sr):
    """Three figures with captions: spectrograms of the loudest eight seconds, F0, long-term spectra."""
    source, y = voices["source"], voices[result]
    seconds = 8
    fig = Figure(figsize=(11, 3.2 * -(-len(voices) // 2)), layout="constrained")
    grid = fig.subplots(-(-len(voices) // 2), 2, squeeze=False).ravel()
    start = _loudest(source, seconds * sr)
    for ax, (name, x) in zip(grid, voices.items()):
        at = start if name != "target" else _loudest(x, seconds * sr)
        plots.spectrogram(x[at : at + seconds * sr], sr=sr, fmax=min(8000, sr / 2), ax=ax)
        ax.set_title(f"{name}, from {at / sr:.0f} s")
    for ax in grid[len(voices) :]:
        ax.remove()
    pictures = plots.picture(
        fig,
        alt="Spectrograms side by side: " + ", ".join(voices) + ".",
        caption=f"Spectrograms of {seconds} seconds. Look at the stripes, the harmonics of the pitch: the result should have the "
        "source's stripes (the tune) with the target's bright and dark bands across them (the voice).",
    )

    hop_length = round(0.01 * sr)
    f0 = {name: estimate_f0(x[: 60 * sr], sr=sr, hop_length=hop_length) for name, x in (("source", source), (result, y))}
    fig = Figure(figsize=(11, 3.2), layout="constrained")
    ax = fig.subplots()
    for i, (name, pitch) in enumerate(f0.items()):
        plots.f0_contour(pitch, sr=sr, hop_length=hop_length, label=name, style=i, ax=ax)
    figures = next(row for row in rows if row["name"] == result)
    kept = (
        f"{100 * figures['raw_pitch_accuracy']:.0f} % of the frames are within 50 cents, {figures['transpose']:+.1f} semitones transposed"
        if "transpose" in figures
        else "no frame has a pitch in both"
    )
    pictures += plots.picture(
        fig,
        alt=f"Pitch over time of the source and of {result}: {kept}.",
        caption=f"Pitch (F0) over time. Both lines should have the same shape: {kept}. "
        "Where only one of them jumps, it is an octave error.",
    )

    fig = Figure(figsize=(11, 3.6), layout="constrained")
    plots.long_term_spectra(voices, sr=sr, ax=fig.subplots())
    far = f"{rows[0]['spectrum_distance_db']:.1f} dB for the source, {figures['spectrum_distance_db']:.1f} dB for {result}"
    return pictures + plots.picture(
        fig,
        alt=f"Long-term average spectra of {', '.join(voices)}; their distance to the target: {far}.",
        caption="Long-term average spectra: the colour of each voice. The result's line should lie on the target's. "
        f"Distance to the target: {far}.",
    )


def _loudest(y, length):
    """Where the `length` samples with the most energy begin."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(y, dtype=float))])
    return int(np.argmax(energy[length:] - energy[:-length])) if len(y) > length else 0


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root { color-scheme: light dark; --line: #767676; --mark: #fff3cd; --ink: #1b1b1b; --paper: #fff }
@media (prefers-color-scheme: dark) { :root { --line: #8a8a8a; --mark: #4a3b00; --ink: #ececec; --paper: #161616 } }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 68rem; margin: 0 auto; padding: 1rem; color: var(--ink); background: var(--paper) }
h1, h2, h3 { line-height: 1.2 }
.notice { background: var(--mark); border-left: .4rem solid var(--line); padding: .6rem 1rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
caption { text-align: left; padding-bottom: .5rem }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: bottom }
td { font-variant-numeric: tabular-nums }
tbody th, caption { text-align: left }
small { font-weight: normal }
dt { font-weight: bold }
dd { margin: 0 0 .5rem }
.picture img { width: 100%; height: auto; border-radius: .3rem }
:focus-visible { outline: .2rem solid currentColor; outline-offset: .2rem }
</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def _check(y, name, sr):
    y = np.asarray(y, dtype=np.float32)
    if y.ndim != 1:
        raise InputError(f"{name} has shape {y.shape}; give one channel.")
    if len(y) < 0.5 * sr:
        raise InputError(f"{name} lasts {len(y) / sr:.2f} s; half a second is the least that can be measured.")
    if not np.isfinite(y).all():
        raise InputError(f"{name} holds NaN or infinity; make it again from the original.")
    if np.abs(y).max() < 1e-4:
        raise InputError(f"{name} is silent; there is nothing to measure.")
    return y / np.abs(y).max() * 0.9


def _similarity(y, target, sr):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it imports pkg_resources, which complains
            from resemblyzer import preprocess_wav
    except ImportError:
        return None
    a, b = (_encoder().embed_utterance(preprocess_wav(librosa.resample(x, orig_sr=sr, target_sr=16000), 16000)) for x in (y, target))
    return float(a @ b)


@functools.cache
def _encoder():
    from resemblyzer import VoiceEncoder

    return VoiceEncoder("cpu", verbose=False)


def _dnsmos(y, sr):
    try:
        from speechmos import dnsmos
    except ImportError:
        return None
    return float(dnsmos.run(np.clip(librosa.resample(y, orig_sr=sr, target_sr=16000), -1, 1), 16000)["ovrl_mos"])
