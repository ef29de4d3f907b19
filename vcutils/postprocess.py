"""Step 5: from the converted voice to a finished track.

The order of the chain, and why. For each voice, the lead and further ones:

1. noise reduction: first, while voice and noise still stand in the relation in which they came
2. high-pass: rumble would count as loudness and take headroom, and nobody hears it
3. de-esser: before the compressor, which would answer to the "s" as if it were a loud note
4. compressor: after all that is unwanted has gone, or it would bring it up
5. equalizer: after the compressor, which would work against what it raises

Then for all together:

6. stereo placement: each voice gets its place once its sound is settled
7. reverb: after the compressor, which would pull the echo up in every pause; one room for all voices
8. mix with the backing, which ducks before it is added: what follows must know the whole
9. fades: they are part of what is heard, so loudness is measured with them
10. loudness and peaks: last, so that the file that leaves holds both
"""
import datetime
import difflib
import numbers
from pathlib import Path

import librosa
import numpy as np

import vcutils
from vcutils.dsp import effects
from vcutils.dsp.audio import SYNTHETIC, encode_audio, load_audio
from vcutils.dsp.features import highpass
from vcutils.errors import InputError
from vcutils.files import as_json, read_json, write_together

# Each style is the plain one and what it changes. -14 LUFS is what the large streaming services turn music down to.
STYLES = {
    "plain": dict(
        noise_reduction=0.5, low_cut=60.0, deess=None, compression=None, bass=None, presence=None, air=None, pan=None, reverb=None, reverb_db=-14.0,
        balance_db=2.0, ducking=None, fade_in=0.01, fade_out=0.05, lufs=-16.0, ceiling=-1.0,
    ),
    "pop": dict(low_cut=90.0, deess=6.0, compression=4.0, bass=-2.0, presence=3.0, air=4.0, reverb=0.9, reverb_db=-17.0, balance_db=1.0, ducking=3.0, lufs=-14.0),
    "ballad": dict(deess=6.0, compression=2.0, bass=1.0, presence=1.0, air=3.0, reverb=2.4, reverb_db=-11.0, balance_db=3.0, ducking=2.0, lufs=-14.0),
    "choir": dict(low_cut=80.0, deess=4.0, compression=1.5, presence=-2.0, reverb=3.5, reverb_db=-7.0, balance_db=0.0, lufs=-14.0),
    "speech": dict(low_cut=80.0, deess=6.0, compression=4.0, bass=-3.0, presence=4.0, air=2.0, balance_db=6.0, ducking=12.0, lufs=-14.0),
}  # fmt: skip


def finish(y, *, sr, backing=None, layers=(), style="plain", **settings):
    """Clean a voice, give it its sound and its room, lay it over a backing track and bring it to a publishable level.

    Every effect can be left out with None or False. No voice is ever moved in time.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        The voice, mono: the lead.
    sr : int
        Its rate in Hz.
    backing : str, Path or (np.ndarray [shape=(m,) or (n_channels, m)], int), optional
        A sound file, or samples and their rate. It starts together with the voice.
    layers : sequence of (np.ndarray [shape=(k,)], float, float)
        Further voices, such as doubles and harmonies: samples at the same rate, which start together with the lead;
        the place from -1 (left) to 1 (right); the loudness relative to the lead in dB. They go through the same effects.
    style : str
        A name in `STYLES`: where settings that are not given come from. The defaults below are those of "plain".
    noise_reduction : float or None, default=0.5
        Strength from 0 to 1, see `vcutils.dsp.effects.reduce_noise` for what it was measured to do.
    low_cut : float or None, default=60
        High-pass cutoff in Hz. The lowest note of most basses, E2, has 82 Hz.
    deess : float or None, default=None
        By how many dB at most "s" and "sh" are turned down, see `vcutils.dsp.effects.deess`.
    compression : float or None, default=None
        Ratio, see `vcutils.dsp.effects.compress`.
    bass, presence, air : float or None, default=None
        dB, see `vcutils.dsp.effects.equalize`.
    pan : float or None, default=None
        The place of the lead from -1 (left) to 1 (right); None is the middle.
    reverb : float or None, default=None
        Reverberation time in seconds, see `vcutils.dsp.effects.reverberate`.
    reverb_db : float or None, default=-14
        Power of the echo relative to the voices in dB.
    balance_db : float or None, default=2
        Loudness of the voices over the backing in LU; None leaves both as they come. Popular music has about 1 dB
        since 1975, more for a solo singer [1]_.
    ducking : float or None, default=None
        By how many dB the backing is turned down while a voice sounds, see `vcutils.dsp.effects.ducking_gain`.
    fade_in, fade_out : float or None, default=0.01, 0.05
        Seconds. The defaults only prevent a click.
    lufs : float or None, default=-16
        Loudness; -16 LUFS is what the AES recommends for music that is streamed [2]_.
    ceiling : float or None, default=-1
        Highest true peak in dBTP; 1 dB of room for lossy coding. None may leave peaks above full scale.

    Returns
    -------
    y : np.ndarray [shape=(n,) or (2, l)], float32
        Stereo with a backing, layers, a place or reverb, else mono. It lasts as long as the longest of all parts; the
        reverb rings on after the last voice.
    sr : int
        The higher of the two rates.

    Raises
    ------
    InputError
        If a voice or the backing is silent, not finite or has an unfit shape, or a setting is unknown or out of range.

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
    settings = check_settings(style, **settings)
    y = _check_sound(y, sr, "The voice", channels=(1,))
    low_cut = settings["low_cut"]
    if low_cut and low_cut >= sr / 2:
        raise InputError(f"low_cut={low_cut:g} Hz leaves nothing of a sound at {sr} Hz; choose something like 60.")

    y = _polish(y, sr, settings)
    if len(layers) or settings["pan"] is not None or settings["reverb"]:
        y = _place(y, layers, sr, settings)
    if backing is not None:
        y, sr = _mix(y, sr, backing, settings)
    y = effects.fade(y, sr=sr, fade_in=settings["fade_in"] or 0, fade_out=settings["fade_out"] or 0)
    if settings["lufs"]:
        y = effects.set_loudness(y, sr=sr, lufs=settings["lufs"], ceiling=settings["ceiling"])
    elif settings["ceiling"] is not None:
        y = effects.limit_peaks(y, sr=sr, ceiling=settings["ceiling"])
    return y, sr


def _polish(y, sr, settings):
    """The effects that each voice gets for itself."""
    if settings["noise_reduction"]:
        y = effects.reduce_noise(y, sr=sr, strength=settings["noise_reduction"])
    if settings["low_cut"]:
        y = highpass(y, sr=sr, cutoff=settings["low_cut"])
    if settings["deess"]:
        y = effects.deess(y, sr=sr, depth_db=settings["deess"])
    if settings["compression"]:
        y = effects.compress(y, sr=sr, ratio=settings["compression"])
    return effects.equalize(y, sr=sr, **{band: settings[band] or 0.0 for band in effects.EQ_BANDS})


def _place(lead, layers, sr, settings):
    """All voices in the stereo image, in one room: [shape=(2, n)]."""
    parts = [(lead, settings["pan"] or 0.0, 0.0)]
    for i, layer in enumerate(layers, 1):
        try:
            y, place, level_db = layer
        except (TypeError, ValueError):
            raise InputError(f"Layer {i} must be (samples, place, level in dB), such as (harmony, -0.5, -6).") from None
        for what, value, low, high in (("place", place, -1, 1), ("level", level_db, -40, 12)):
            if not isinstance(value, numbers.Real) or not low <= value <= high:
                raise InputError(f"The {what} of layer {i} is {value}; choose {low} to {high}.")
        parts.append((_check_sound(y, sr, f"Layer {i}", channels=(1,)), place, level_db))
    n, loudness = max(len(y) for y, *_ in parts), effects.measure_loudness(lead, sr=sr)
    dry, together = np.zeros((2, n), dtype=np.float32), np.zeros(n, dtype=np.float32)
    for i, (y, place, level_db) in enumerate(parts):
        if i:
            y = _polish(y, sr, settings)
            y = y * np.float32(10 ** ((loudness + level_db - effects.measure_loudness(y, sr=sr)) / 20))
        dry[:, : len(y)] += effects.pan(y, place)
        together[: len(y)] += y
    if not settings["reverb"] or settings["reverb_db"] is None:
        return dry
    wet = effects.reverberate(together, sr=sr, t60=settings["reverb"], level_db=settings["reverb_db"])
    wet[:, :n] += dry
    return wet


def _mix(y, sr, backing, settings):
    """The voices over the backing, and the higher rate of the two."""
    name = str(backing) if isinstance(backing, (str, Path)) else "The backing track"
    track, track_sr = load_audio(backing, mono=False) if isinstance(backing, (str, Path)) else backing
    track = _check_sound(track, track_sr, name, channels=(1, 2))
    voice_sr, sr = sr, max(sr, track_sr)
    y, track = (librosa.resample(x, orig_sr=old, target_sr=sr) if old != sr else x for x, old in ((y, voice_sr), (track, track_sr)))
    return effects.mix(y, track, sr=sr, balance_db=settings["balance_db"], ducking_db=settings["ducking"]), sr


_RANGES = {
    "noise_reduction": (0, 1, ""),
    "low_cut": (10, 1000, "Hz"),
    "deess": (0, 24, "dB"),
    "compression": (1, 20, ""),
    "bass": (-12, 12, "dB"),
    "presence": (-12, 12, "dB"),
    "air": (-12, 12, "dB"),
    "pan": (-1, 1, ""),
    "reverb": (0.1, 10, "s"),
    "reverb_db": (-40, 10, "dB"),
    "balance_db": (-40, 40, "LU"),
    "ducking": (0, 24, "dB"),
    "fade_in": (0, 60, "s"),
    "fade_out": (0, 60, "s"),
    "lufs": (-40, -6, "LUFS"),
    "ceiling": (-20, 0, "dBTP"),
}


def check_settings(style="plain", **settings):
    """All settings of `finish`; what cannot be is refused, before work is done in vain.

    Parameters
    ----------
    style : str
        A name in `STYLES`.
    **settings
        Any of the settings that `finish` takes, by name; they win over the style.

    Returns
    -------
    dict
        Every setting, with None for each effect that is left out.

    Raises
    ------
    InputError
        If the style or a setting is unknown, or one is out of range.

    Examples
    --------
    >>> check_settings("pop", reverb=None)["lufs"]
    -14.0
    >>> check_settings(balance_db=100)
    Traceback (most recent call last):
    vcutils.errors.InputError: balance_db=100 is out of range; choose -40 to 40 LU, or None to leave it out.
    """
    if style not in STYLES:
        raise InputError(f"There is no style '{style}'; choose one of {', '.join(STYLES)}.")
    for key, value in settings.items():
        if key not in _RANGES:
            near = difflib.get_close_matches(key, _RANGES, 1)
            raise InputError(f"There is no setting '{key}'" + (f"; did you mean '{near[0]}'?" if near else f"; there are {', '.join(_RANGES)}."))
        if value is not None and value is not False:
            low, high, unit = _RANGES[key]
            if not isinstance(value, numbers.Real) or not low <= value <= high:
                raise InputError(f"{key}={value} is out of range; choose {low} to {high} {unit}".rstrip() + ", or None to leave it out.")
    settings = {**STYLES["plain"], **STYLES[style], **settings}
    return {key: None if value is False else value for key, value in settings.items()}  # 0 dBTP is a ceiling, False is none


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
    write_together(as_files(path, y, sr, about=about))
    return Path(path)


def as_files(path, y, sr, *, about):
    """What `export` writes, without writing it: to write several sounds that belong together, all or none.

    Parameters
    ----------
    path, y, sr, about
        As in `export`.

    Returns
    -------
    dict of Path to bytes-like
        For `vcutils.files.write_together`: the sound, and the note beside it.

    Raises
    ------
    InputError
        As `vcutils.dsp.audio.encode_audio`.

    Examples
    --------
    >>> [path.name for path in as_files("a.wav", np.zeros(16000), 16000, about={"voice": "anna"})]
    ['a.wav', 'a.wav.json']
    """
    notice = f"{SYNTHETIC}: a computer sings, with a model of the voice '{about.get('voice', 'unknown')}'."
    date = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    now = {"synthetic": True, "notice": notice, "vcutils": vcutils.__version__, "date": date}
    note = {**now, **about, **now}  # first in the file, and newer than what `about` may say
    return {Path(path): encode_audio(path, y, sr, comment=SYNTHETIC), _beside(path): as_json(note)}


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
