"""Step 5: from the converted voice to a finished track.

The order of the chain, and why:

1. noise reduction: first, while voice and noise still stand in the relation in which they came
2. high-pass: rumble would count as loudness and take headroom, and nobody hears it
3. mix with the backing: what follows must know the whole
4. fades: they are part of what is heard, so loudness is measured with them
5. loudness and peaks: last, so that the file that leaves holds both
"""
import datetime
from pathlib import Path

import librosa
import numpy as np

import vcutils
from vcutils.dsp import effects
from vcutils.dsp.audio import SYNTHETIC, load_audio, save_audio
from vcutils.dsp.features import highpass
from vcutils.errors import InputError
from vcutils.files import read_json, write_json


def finish(
    y, *, sr, backing=None, balance_db=2.0, noise_reduction=0.5, low_cut=60.0, fade_in=0.01, fade_out=0.05, lufs=-16.0, ceiling=-1.0
):
    """Clean a voice, lay it over a backing track and bring it to a publishable level.

    Every effect can be left out with None or False. The voice is never moved in time.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        The voice, mono.
    sr : int
        Its rate in Hz.
    backing : str, Path or (np.ndarray [shape=(m,) or (n_channels, m)], int), optional
        A sound file, or samples and their rate. It starts together with the voice.
    balance_db : float
        Loudness of the voice over the backing in LU. Popular music has about 1 dB since 1975, more for a solo
        singer [1]_.
    noise_reduction : float or None
        Strength from 0 to 1, see `vcutils.dsp.effects.reduce_noise` for what it was measured to do.
    low_cut : float or None
        High-pass cutoff in Hz. The lowest note of most basses, E2, has 82 Hz.
    fade_in, fade_out : float or None
        Seconds. The defaults only prevent a click.
    lufs : float or None
        Loudness; -16 LUFS is what the AES recommends for music that is streamed [2]_.
    ceiling : float or None
        Highest true peak in dBTP; 1 dB of room for lossy coding. None may leave peaks above full scale.

    Returns
    -------
    y : np.ndarray [shape=(n,) or (2, max(n, m))], float32
        Mono without a backing track, stereo with one, which lasts as long as the longer of the two.
    sr : int
        The higher of the two rates.

    Raises
    ------
    InputError
        If the voice or the backing is silent, not finite or has an unfit shape, or a setting is out of range.

    References
    ----------
    .. [1] K. Gerdes and K. Siedenburg, "Lead-vocal level in recordings of popular music 1946-2020",
       JASA Express Letters 3(4), 2023.
    .. [2] AES TD1008, "Recommendations for loudness of internet audio streaming and on-demand distribution", 2021.

    Examples
    --------
    >>> voice = 0.1 * librosa.tone(440, sr=16000, length=16000)
    >>> backing = 0.1 * librosa.tone(220, sr=22050, length=2 * 22050)
    >>> y, sr = finish(voice, sr=16000, backing=(backing, 22050))
    >>> y.shape, sr, round(effects.measure_loudness(y, sr=sr))
    ((2, 44100), 22050, -16)
    """
    check_settings(
        balance_db=balance_db, noise_reduction=noise_reduction, low_cut=low_cut,
        fade_in=fade_in, fade_out=fade_out, lufs=lufs, ceiling=ceiling,
    )  # fmt: skip
    y = _check_sound(y, sr, "The voice", channels=(1,))
    if low_cut and low_cut >= sr / 2:
        raise InputError(f"low_cut={low_cut:g} Hz leaves nothing of a sound at {sr} Hz; choose something like 60.")

    if noise_reduction:
        y = effects.reduce_noise(y, sr=sr, strength=noise_reduction)
    if low_cut:
        y = highpass(y, sr=sr, cutoff=low_cut)
    if backing is not None:
        name = str(backing) if isinstance(backing, (str, Path)) else "The backing track"
        track, track_sr = load_audio(backing, mono=False) if isinstance(backing, (str, Path)) else backing
        track = _check_sound(track, track_sr, name, channels=(1, 2))
        voice_sr, sr = sr, max(sr, track_sr)
        y, track = (librosa.resample(x, orig_sr=old, target_sr=sr) if old != sr else x for x, old in ((y, voice_sr), (track, track_sr)))
        y = effects.mix(y, track, sr=sr, balance_db=balance_db)
    y = effects.fade(y, sr=sr, fade_in=fade_in or 0, fade_out=fade_out or 0)
    ceiling = None if ceiling is False else ceiling  # 0 dBTP is a ceiling, False is none
    if lufs:
        y = effects.set_loudness(y, sr=sr, lufs=lufs, ceiling=ceiling)
    elif ceiling is not None:
        y = effects.limit_peaks(y, sr=sr, ceiling=ceiling)
    return y, sr


_RANGES = {
    "balance_db": (-40, 40, "LU"),
    "noise_reduction": (0, 1, ""),
    "low_cut": (10, 1000, "Hz"),
    "fade_in": (0, 60, "s"),
    "fade_out": (0, 60, "s"),
    "lufs": (-40, -6, "LUFS"),
    "ceiling": (-20, 0, "dBTP"),
}


def check_settings(**settings):
    """Refuse settings of `finish` that are out of range, before work is done in vain.

    Parameters
    ----------
    **settings
        Any of the numbers that `finish` takes, by name.

    Raises
    ------
    InputError
        If one is out of range.

    Examples
    --------
    >>> check_settings(balance_db=100)
    Traceback (most recent call last):
    vcutils.errors.InputError: balance_db=100 is out of range; choose -40 to 40 LU, or None to leave it out.
    """
    for key, value in settings.items():
        low, high, unit = _RANGES[key]
        if value is not None and value is not False and not low <= value <= high:
            raise InputError(f"{key}={value} is out of range; choose {low} to {high} {unit}".rstrip() + ", or None to leave it out.")


def _check_sound(y, sr, name, *, channels):
    """`y` as float32 [shape=(n,) if one channel, else (n_channels, n)], or a sentence on why it cannot be used."""
    y = np.asarray(y, dtype=np.float32)
    if y.ndim == 2 and len(y) == 1:
        y = y[0]
    n_channels = len(y) if y.ndim == 2 else 1
    if y.ndim not in (1, 2) or n_channels not in channels:
        raise InputError(f"{name} has shape {y.shape}; give " + " or ".join(str(c) for c in channels) + " channel(s), samples last.")
    if not np.isfinite(y).all():
        raise InputError(f"{name} holds NaN or infinity; make it again from the original.")
    if not y.size or effects.measure_loudness(y, sr=sr) <= effects.SILENCE_LUFS:
        raise InputError(f"{name} is silent; there is nothing to finish, check the step or the file that it comes from.")
    return y


def export(path, y, sr, *, about):
    """Write a synthetic sound, marked as such: in the file's own metadata, and with its provenance in a file beside it.

    Parameters
    ----------
    path : str or Path
        Ends in `.wav`, `.flac` or `.ogg`.
    y : np.ndarray [shape=(n,) or (n_channels, n)]
        Between -1 and 1.
    sr : int
        Its rate in Hz.
    about : dict
        Where it comes from, as `vcutils.generate.convert` tells it: voice, consent, model, source, settings. It goes
        into ``path.json`` with the date and a notice that the sound is synthetic.

    Returns
    -------
    Path
        `path`

    Raises
    ------
    InputError
        As `vcutils.dsp.audio.save_audio`.

    Examples
    --------
    >>> import tempfile
    >>> path = export(Path(tempfile.mkdtemp()) / "a.wav", np.zeros(16000), 16000, about={"voice": "anna"})
    >>> read_provenance(path)["notice"]
    "Synthetic voice made with vcutils: a computer sings, with a model of the voice 'anna'."
    """
    save_audio(path, y, sr, comment=SYNTHETIC)
    notice = f"{SYNTHETIC}: a computer sings, with a model of the voice '{about.get('voice', 'unknown')}'."
    date = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    now = {"synthetic": True, "notice": notice, "vcutils": vcutils.__version__, "date": date}
    write_json(_beside(path), {**now, **about, **now})  # first in the file, and newer than what `about` may say
    return Path(path)


def read_provenance(path):
    """What `export` noted beside a sound.

    Parameters
    ----------
    path : str or Path
        The sound.

    Returns
    -------
    dict
        Empty if nothing is known.

    Raises
    ------
    InputError
        If the note is damaged.

    Examples
    --------
    >>> read_provenance("no such file.wav")
    {}
    """
    return read_json(_beside(path)) if _beside(path).is_file() else {}


def _beside(path):
    return Path(f"{path}.json")
