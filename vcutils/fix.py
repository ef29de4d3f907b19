"""Fix the take: in step 4, a song that has been taken apart is mended before a cloned voice sings it.

A song is a row of frames, each with a pitch, a loudness and an envelope. So each remedy is a small change of these
numbers, and no sound is edited: nothing clicks or smears, and nothing is lost, as the recording stays as it is. What is
changed stands in a small file of settings:

::

    {"takes": {"phrases": [0, 2, 1]},
     "tune": {"strength": 0.6, "key": "E minor", "a4": 440.0},
     "breath": {"by": 6, "spans": [[3.3, 3.7]]},
     "nudge": [{"from": 12.0, "to": 13.5, "by": -0.08}]}

All of it may be left out. Times are seconds of the song (of the first take, if there are several). `fill_in` adds what
can be found in the song, `fix` carries it out.

The same notions of note and key make second voices: `double` and `harmony`.
"""
import json
import math
import re
from dataclasses import replace

import librosa
import numpy as np
import scipy.fft
import scipy.ndimage

from vcutils.dsp import tuning
from vcutils.dsp.features import DECIBELS, SILENCE_DB, frames_at
from vcutils.dsp.tuning import FRAME
from vcutils.errors import InputError
from vcutils.files import atomic_path, read_json

PAUSE = 30  # frames without a pitch that part two phrases,
GAP, GAP_DB = 12, 35.0  # or so many, if the level falls so far below the voice
PHRASE = 100  # frames; a shorter one is not parted by such a gap
NEAR_VOICE = 10  # frames; this near to the voice a consonant may be, and no breath is looked for
BREATH_DB = (15.0, 35.0)  # a breath is so much softer than the voice
ABOVE_NOISE_DB = 10.0  # and so much louder than the quietest of the pauses
FADE = 5  # frames over which a breath is turned down
FIRST_ASKED = {"tune": {"strength": 0.6}, "breath": {"by": 6.0}}  # what `vcutils fix` begins with
INTERVALS = (3, 6, -3, -6)  # harmonies, counted as musicians do: the tune itself is 1
GIVE = 4  # the neighbours of a stretch that is moved give way over so many times its way
NOTICED = {"tune": 20.0, "timing": 40.0, "loudness": 2.0}  # cents, ms and dB that count as one fault in `comp`


def fix(song, settings):
    """Mend a song: its tune, its breaths, its timing.

    Parameters
    ----------
    song : vcutils.generate.Song
    settings : dict
        See above. ``tune`` (`vcutils.dsp.tuning.correct`), ``breath`` (`soften`) and ``nudge`` (`nudge`) are carried out
        in this order; ``takes`` is for `comp`, which comes before. What is left open is found as by `fill_in`.

    Returns
    -------
    vcutils.generate.Song
        As long as before. Its ``features.y`` is the recording as it was; singing does not use it.

    Raises
    ------
    InputError
        If a setting is unknown or out of range.

    Examples
    --------
    >>> song = _example(cents=-30)
    >>> fixed = fix(song, {"tune": {"strength": 1, "key": "C major", "a4": 440}})
    >>> song.features.f0[50].round(1), fixed.features.f0[50].round(1)
    (np.float32(432.4), np.float32(440.0))
    """
    settings = fill_in(song, settings)
    if "tune" in settings:
        song = _with(song, f0=tuning.correct(song.features.f0, **settings["tune"]))
    if "breath" in settings:
        song = soften(song, settings["breath"]["spans"], by=settings["breath"]["by"])
    if "nudge" in settings:
        song = nudge(song, settings["nudge"])
    return song


def fill_in(song, settings):
    """Settings with all that was left open: the key, the singer's tuning, where the breaths are.

    Parameters
    ----------
    song : vcutils.generate.Song
    settings : dict

    Returns
    -------
    dict
        With ``tune.key`` and ``tune.a4`` if there is ``tune``, and ``breath.spans`` if there is ``breath``.

    Raises
    ------
    InputError
        If a setting is unknown or out of range.

    Examples
    --------
    >>> fill_in(_example(), {"tune": {"strength": 0.5, "key": "C major"}})
    {'tune': {'strength': 0.5, 'key': 'C major', 'a4': 440.0}}
    """
    check(settings)
    settings = dict(settings)
    if "tune" in settings:
        f0 = song.features.f0
        found = {} if "key" in settings["tune"] else {"key": tuning.find_key(f0)[0]}
        settings["tune"] = {**settings["tune"], **found}
        settings["tune"].setdefault("a4", round(tuning.find_tuning(f0), 2))
    if "breath" in settings:
        settings["breath"] = dict(settings["breath"])
        settings["breath"].setdefault("spans", find_breaths(song))
    return settings


def find_breaths(song):
    """Where the singer can be heard to breathe in.

    A breath is a sound without pitch, `NEAR_VOICE` frames or more away from any pitch, as the consonants of a phrase are
    nearer; softer than the median of the voice by `BREATH_DB`; louder than the quietest of what has no pitch
    (its 5th percentile) by `ABOVE_NOISE_DB`; stronger in the middle of the spectrum than at its top, as [s] and [sh] are not; and it lasts
    0.1 s.

    Parameters
    ----------
    song : vcutils.generate.Song

    Returns
    -------
    list of [float, float]
        Start and end of each, s.

    Examples
    --------
    >>> find_breaths(_example())  # a note, a pause in which somebody breathes, a note
    [[1.21, 1.59]]
    """
    voiced, loudness, mel = song.features.f0 > 0, song.features.loudness, song.features.mel
    if voiced.all() or not voiced.any():
        return []
    voice, quiet = np.median(loudness[voiced]), np.percentile(loudness[~voiced], 5)
    low, high = max(voice - BREATH_DB[1], quiet + ABOVE_NOISE_DB), voice - BREATH_DB[0]
    n = mel.shape[1]
    dull = mel[:, 3 * n // 4 :].mean(axis=1) < mel[:, n // 8 : 5 * n // 8].mean(axis=1)
    away = ~scipy.ndimage.binary_dilation(voiced, iterations=NEAR_VOICE)
    level = scipy.ndimage.uniform_filter1d(loudness, 5, mode="nearest")
    runs = tuning.find_runs(away & dull & (level > low) & (level < high))
    return [[round(a * FRAME, 2), round(b * FRAME, 2)] for a, b in runs if b - a >= 10]


def soften(song, spans, *, by):
    """Turn stretches of a song down.

    Parameters
    ----------
    song : vcutils.generate.Song
    spans : list of (float, float)
        Start and end of each, s. The level falls before and rises after it, within `FADE` frames.
    by : float
        dB.

    Returns
    -------
    vcutils.generate.Song

    Examples
    --------
    >>> song = _example()
    >>> (song.features.loudness - soften(song, [[1.2, 1.6]], by=6).features.loudness)[[50, 118, 140]].round(1)
    array([0. , 3.6, 6. ], dtype=float32)
    """
    frames = np.arange(len(song.features.f0))
    down = np.zeros(len(frames))
    for start, stop in spans:
        away = np.maximum(_frames(start) - frames, frames - _frames(stop) + 1)  # 0 and less within
        down = np.maximum(down, np.clip(1 - away / FADE, 0, 1))
    down = (by * down).astype(np.float32)
    loudness = np.maximum(song.features.loudness - down, SILENCE_DB)
    mel = np.maximum(song.features.mel - down[:, None] / DECIBELS, SILENCE_DB / DECIBELS)
    return _with(song, loudness=loudness.astype(np.float32), mel=mel.astype(np.float32))


def nudge(song, moves):
    """Sing stretches of a song earlier or later; what is around them gives way, and all else stays in its place.

    Parameters
    ----------
    song : vcutils.generate.Song
    moves : list of dict
        Each with ``from`` and ``to`` (s of the song as it is) and ``by`` (s; positive is later). A stretch itself keeps
        its length. Before and after it the song is stretched or squeezed over `GIVE` times as long as it moves, or
        over what is there.

    Returns
    -------
    vcutils.generate.Song
        As long as before.

    Raises
    ------
    InputError
        If a stretch would leave the song or run into another one.

    Examples
    --------
    >>> song = nudge(_example(), [{"from": 1.8, "to": 2.5, "by": 0.1}])
    >>> int(np.flatnonzero(song.features.f0[100:])[0] + 100)  # the second note began in frame 180
    190
    """
    n_frames = len(song.features.f0)
    moves = sorted([_frames(move[name]) for name in ("from", "to", "by")] for move in moves)
    moves = [(start, stop, by, GIVE * abs(by)) for start, stop, by in moves if by]
    points, at_rest = [(0, 0)], 0  # where a frame was, and where it goes
    for i, (start, stop, by, give) in enumerate(moves):
        if start - give > at_rest:
            points.append((start - give, start - give))
        points += [(start, start + by), (stop, stop + by)]
        at_rest = stop + give
        if at_rest < (moves[i + 1][0] - moves[i + 1][3] if i + 1 < len(moves) else n_frames):
            points.append((at_rest, at_rest))
    was, becomes = np.array([*points, (n_frames, n_frames)]).T
    if (np.diff(was) < 0).any() or (np.diff(becomes) <= 0).any():
        raise InputError("The stretches in 'nudge' leave the song or run into each other when they are moved; move them less, or make one of two.")
    return _with(song, **_sample(song.features, np.interp(np.arange(n_frames), becomes, was)))


def comp(songs, *, key=None, phrases=None):
    """Put one song together from several takes of it, each phrase from the take that sings it best.

    The takes are aligned with the first one by dynamic time warping of their envelope and pitch class [1]_. The first one
    is cut into phrases at its pauses. Each phrase of each take gets a number of faults, the least wins:

    - **tune**: how far its notes are from the scale, on average, one fault for 20 cents;
    - **timing**: how far it runs ahead of the median of the takes or behind, their starts and ends laid upon each other,
      on average, one fault for 40 ms;
    - **loudness**: how much a note wavers around a straight line, on average, one fault for 2 dB.

    Each number is about what listeners begin to notice. The phrase that is taken is stretched evenly, so that it starts
    and ends where it does in the first take.

    Parameters
    ----------
    songs : list of vcutils.generate.Song
        Takes of one song by one singer, analysed alike. Sing the first one to the backing: the others follow its time.
    key : str, optional
        See `vcutils.dsp.tuning.parse_key`. Default: what `vcutils.dsp.tuning.find_key` finds in all of them.
    phrases : list of int, optional
        Which take each phrase is from, 0 being the first one, instead of the best.

    Returns
    -------
    song : vcutils.generate.Song
        As long as the first take.
    table : list of dict
        For each phrase ``from`` and ``to`` (s), ``take``, and ``faults``, one number for each take.

    Raises
    ------
    InputError
        If there are no takes, or `phrases` does not fit them.

    References
    ----------
    .. [1] H. Sakoe and S. Chiba, "Dynamic programming algorithm optimization for spoken word recognition", IEEE Trans.
       Acoustics, Speech, and Signal Processing 26(1), 1978.

    Examples
    --------
    >>> flat, right = _example(cents=-40), _example()
    >>> song, table = comp([flat, right, right], key="C major")
    >>> [row["take"] for row in table], song.features.f0[50].round(1)
    ([1, 1], np.float32(440.0))
    """
    if not songs:
        raise InputError("There are no takes; give one recording or more.")
    takes = [song.features for song in songs]
    together = np.concatenate([take.f0 for take in takes])
    scale, a4 = tuning.parse_key(key or tuning.find_key(together)[0]), tuning.find_tuning(together)
    guide = takes[0]
    spans = find_phrases(guide)
    if phrases is not None and (len(phrases) != len(spans) or not all(p in range(len(takes)) for p in phrases)):
        raise InputError(f"'phrases' is {phrases}; it must hold {len(spans)} numbers, one for each phrase, each from 0 to {len(takes) - 1}, one for each take.")
    cuts = [0, *(a + int(np.argmin(guide.loudness[a:b])) for (_, a), (b, _) in zip(spans, spans[1:])), len(guide.f0)]
    ways = [np.arange(len(guide.f0) + 1.0), *(_align(guide, take) for take in takes[1:])]
    table, parts = [], []
    for i, (start, stop) in enumerate(spans):
        out = np.array([cuts[i], start, stop, cuts[i + 1]])
        places = [_place(take, way[out], out, same=take is guide) for take, way in zip(takes, ways)]
        late = np.array([way[start:stop] - np.linspace(place[1], place[2], stop - start) for place, way in zip(places, ways)])
        late = np.abs(late - np.median(late, axis=0)).mean(axis=1)
        faults = [_faults(take, place, scale, a4) + 1000 * FRAME * off / NOTICED["timing"] for take, place, off in zip(takes, places, late)]
        best = int(np.argmin(faults)) if phrases is None else int(phrases[i])
        parts.append(_sample(takes[best], np.interp(np.arange(out[0], out[3]), out, places[best])))
        table.append({"from": start * FRAME, "to": stop * FRAME, "take": best, "faults": [round(float(f), 2) for f in faults]})
    return _with(songs[0], **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]}), table


def find_phrases(features):
    """Where a singer sings without a pause.

    A pause is `PAUSE` frames without a pitch. After `PHRASE` frames, `GAP` will do if it becomes quiet in them, `GAP_DB`
    below the median of the voice.

    Parameters
    ----------
    features : vcutils.dsp.features.Features

    Returns
    -------
    list of (int, int)
        First frame with a pitch of each phrase, and the frame after the last; at least one phrase.

    Raises
    ------
    InputError
        If nothing is voiced.

    Examples
    --------
    >>> find_phrases(_example().features)
    [(0, 100), (180, 301)]
    """
    runs = [run for run in tuning.find_runs(features.f0 > 0) if run[1] - run[0] >= tuning.SHORTEST]
    if not runs:
        raise InputError("There is no note in the song; give a recording in which somebody sings.")
    quiet = np.median(features.loudness[features.f0 > 0]) - GAP_DB
    phrases = [runs[0]]
    for start, stop in runs[1:]:
        began, ended = phrases[-1]
        if start - ended >= PAUSE or (start - ended >= GAP and ended - began >= PHRASE and features.loudness[ended:start].min() < quiet):
            phrases.append((start, stop))
        else:
            phrases[-1] = (began, stop)
    return phrases


def _align(guide, take):
    """For each frame of the guide, and its end, the frame of a take where the same is sung."""
    every = max(1, math.ceil(max(len(guide.f0), len(take.f0)) / 3000))  # the table of all pairs of frames must fit into memory
    _, path = librosa.sequence.dtw(_sung(guide, every).T, _sung(take, every).T)
    a, b = path[::-1].T
    mean = np.bincount(a, weights=b) / np.bincount(a)
    frames = np.arange(len(guide.f0) + 1)
    way = np.interp(frames, np.append(np.arange(len(mean)) * every, len(guide.f0)), np.append(mean * every, len(take.f0)))
    way[0] = 0
    return way


def _sung(features, every):
    """What says where in a song one is [shape=(n_frames, 15)]: the cepstrum with the level, and the pitch class."""
    cepstrum = scipy.fft.dct(features.mel, axis=1, norm="ortho")[:, :13]
    angle = np.where(features.f0 > 0, 2 * np.pi * np.log2(np.maximum(features.f0, 1)), 0)
    pitch = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (features.f0 > 0)[:, None]
    rows = np.concatenate([(cepstrum - cepstrum.mean(axis=0)) / (cepstrum.std(axis=0) + 1e-3), 2 * pitch], axis=1)
    return rows[::every]


def _place(take, rough, out, *, same):
    """Where a phrase is in a take [cut, start, stop, cut]: its pitch begins and ends there, to the frame."""
    if same:
        return out.astype(float)
    before, start, stop, after = rough
    sung = [run for run in tuning.find_runs(take.f0 > 0) if run[1] - run[0] >= tuning.SHORTEST and before < sum(run) / 2 < after]
    if sung:
        start, stop = sung[0][0], sung[-1][1]
    return np.maximum.accumulate([before, max(before, start), min(stop, after), after])


def _faults(take, place, scale, a4):
    """How much is wrong with a phrase apart from its timing, see `comp`."""
    start, stop = int(place[1]), int(np.ceil(place[2]))
    notes = tuning.find_notes(take.f0[start:stop], a4=a4)
    if not notes:
        return 99.0
    length = np.array([note.stop - note.start for note in notes])
    cents = 100 * np.average([abs(note.pitch - tuning.nearest_pitch(note.pitch, scale, accidental=0)) for note in notes], weights=length)
    waver = np.average([_waver(take.loudness[start + note.start : start + note.stop]) for note in notes], weights=length)
    return cents / NOTICED["tune"] + waver / NOTICED["loudness"]


def _waver(loudness):
    """Standard deviation of a note's level around a straight line, dB; its ends belong to the consonants."""
    loudness = loudness[len(loudness) // 5 : -(len(loudness) // 5) or None]
    t = np.arange(len(loudness))
    return np.std(loudness - np.polyval(np.polyfit(t, loudness, 1), t))


def double(song, *, seed, cents=8.0, late=0.008):
    """The same song sung once more: no singer hits the same pitch and the same moment twice.

    Pitch and timing wander slowly (below about 1 Hz) around those of the song.

    Parameters
    ----------
    song : vcutils.generate.Song
    seed : int
        Another one is another performance.
    cents : float
        Standard deviation of the pitch; at most twice that is reached.
    late : float
        Standard deviation of the timing, s; at most twice that is reached.

    Returns
    -------
    vcutils.generate.Song
        As long as before.

    Examples
    --------
    >>> song = _example()
    >>> twin = double(song, seed=0)
    >>> bool(0 < abs(1200 * np.log2(twin.features.f0[50] / song.features.f0[50])) < 16)
    True
    """
    n_frames = len(song.features.f0)
    rng = np.random.default_rng(seed)
    pitch, time = (_wander(rng, n_frames) for _ in range(2))
    sampled = _sample(song.features, np.clip(np.arange(n_frames) + late / FRAME * time, 0, n_frames - 1))
    sampled["f0"] = (sampled["f0"] * 2 ** (cents * pitch / 1200)).astype(np.float32)
    return _with(song, **sampled)


def _wander(rng, n_frames):
    """Slow noise of standard deviation 1, within -2..2."""
    noise = scipy.ndimage.gaussian_filter1d(rng.standard_normal(n_frames + 200), 20)[100:-100]
    return np.clip(noise * np.sqrt(2 * 20 * np.sqrt(np.pi)), -2, 2)  # what the filter leaves of the deviation of white noise


def harmony(song, *, key=None, steps):
    """The song in a second voice, a number of steps of the scale away; see `vcutils.dsp.tuning.harmonise`.

    Parameters
    ----------
    song : vcutils.generate.Song
    key : str, optional
        Default: what `vcutils.dsp.tuning.find_key` finds.
    steps : int
        2 for a third above, 5 for a sixth above; negative for below.

    Returns
    -------
    vcutils.generate.Song

    Raises
    ------
    InputError
        If the key cannot be used.

    Examples
    --------
    >>> harmony(_example(), key="A minor", steps=2).features.f0[50].round(1)  # A4 becomes C5
    np.float32(523.3)
    """
    f0 = song.features.f0
    return _with(song, f0=tuning.harmonise(f0, key=key or tuning.find_key(f0)[0], steps=steps, a4=tuning.find_tuning(f0)))


def sing_layers(voice, song, *, key, harmonies=(), doubled=False, scale=None, **knobs):
    """Sing the voices that go with a lead: a doubled voice on each side, harmonies.

    Parameters
    ----------
    voice : vcutils.workspace.Voice or vcutils.model.VoiceModel
    song : vcutils.generate.Song
    key : float
        Semitones, as the lead was sung: ``convert(...)["key"]``.
    harmonies : sequence of int
        Intervals as musicians count them: 3 for a third above, 6 for a sixth, -3 for a third below.
    doubled : bool
    scale : str, optional
        The key that the harmonies are in; see `harmony`.
    **knobs
        For `vcutils.generate.convert`.

    Returns
    -------
    list of (np.ndarray [shape=(n,)], float, float)
        Of each layer its sound, its place from left (-1) to right (1), and its level under the lead, dB.

    Raises
    ------
    InputError
        If an interval is not one of `INTERVALS`, or the voice has not been trained.

    Examples
    --------
    >>> from vcutils.demo import demo_model
    >>> from vcutils.model import load_model
    >>> sing_layers(load_model(demo_model()), _example(), key=0, harmonies=[4])
    Traceback (most recent call last):
    vcutils.errors.InputError: There is no harmony '4'; choose 3 (a third above), 6 (a sixth), -3 or -6 (below).
    """
    check_harmonies(harmonies, scale)
    from vcutils.generate import convert  # loads TensorFlow: only where something is sung

    layers = [(double(song, seed=seed), pan, -9.0) for seed, pan in ((1, -0.8), (2, 0.8))] if doubled else []
    for i, interval in enumerate(harmonies):
        second = harmony(song, key=scale, steps=interval - 1 if interval > 0 else interval + 1)
        layers.append((double(second, seed=3 + i), (0.4, -0.4)[i % 2], -6.0))
    return [(convert(voice, layer, key=key, **knobs)["y"], pan, level_db) for layer, pan, level_db in layers]


def check_harmonies(harmonies, scale=None):
    """Refuse intervals and scales that `sing_layers` cannot use, before work is done in vain.

    Parameters
    ----------
    harmonies : sequence of int
    scale : str, optional

    Raises
    ------
    InputError
        If an interval is not one of `INTERVALS`, or the scale is none or has no thirds.

    Examples
    --------
    >>> check_harmonies([3, -6], "E minor")
    """
    for interval in harmonies:
        if interval not in INTERVALS:
            raise InputError(f"There is no harmony '{interval}'; choose 3 (a third above), 6 (a sixth), -3 or -6 (below).")
    if scale is not None:
        tuning.parse_key(scale, diatonic=bool(harmonies))


def read_settings(path):
    """Read a file of settings.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict

    Raises
    ------
    InputError
        If the file is missing or damaged, or an entry is unknown or out of range.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/a.fix.json"
    >>> write_settings(path, {"breath": {"by": 6}})
    >>> read_settings(path)
    {'breath': {'by': 6}}
    """
    try:
        settings = read_json(path, mend="mend that line, or begin anew without the file")
    except OSError as error:
        raise InputError(f"The settings {path} cannot be read ({error.strerror}); check the name.") from error
    return check(settings, where=f" in {path}")


def write_settings(path, settings):
    """Write a file of settings, whole or not at all; see `read_settings`.

    Examples
    --------
    >>> write_settings("a.fix.json", {"breth": {"by": 6}})
    Traceback (most recent call last):
    vcutils.errors.InputError: The file of settings cannot have an entry 'breth'; it may have takes, tune, breath, nudge.
    """
    text = json.dumps(check(settings), indent=1, ensure_ascii=False)
    text = re.sub(r"\[[^][{}]*\]", lambda row: " ".join(row[0].split()).replace("[ ", "[").replace(" ]", "]"), text)  # a row of numbers in one line
    with atomic_path(path) as tmp:
        tmp.write_text(text + "\n", encoding="utf-8")


_ALLOWED = {
    "takes": {"phrases": "a list of whole numbers, one for each phrase, 0 for the first take"},
    "tune": {"strength": "a number from 0 to 1", "key": "a key such as 'E minor' or the notes of a scale", "a4": "a number of Hz from 380 to 500"},
    "breath": {"by": "a number of dB from 0 to 60", "spans": "a list of [start, end] in seconds"},
    "nudge": {"from": "a number of seconds", "to": "a number of seconds, later than 'from'", "by": "a number of seconds from -2 to 2"},
}
_NEEDED = {"takes": ["phrases"], "tune": ["strength"], "breath": ["by"], "nudge": ["from", "to", "by"]}


def check(settings, *, where=""):
    """Refuse settings that do not exist or are out of range.

    Parameters
    ----------
    settings : dict
    where : str
        What the sentence says of where they stand.

    Returns
    -------
    dict
        The same.

    Raises
    ------
    InputError
        With one sentence that names the entry and what it may be.

    Examples
    --------
    >>> check({"tune": {"strength": 3}})
    Traceback (most recent call last):
    vcutils.errors.InputError: 'tune' has 'strength': 3; it must be a number from 0 to 1.
    """
    _known(settings, _ALLOWED, "The file of settings", where)
    for name, entries in settings.items():
        if name == "nudge" and not isinstance(entries, list):
            raise InputError(f"'nudge'{where} is {entries!r}; it must be a list of stretches, each with 'from', 'to' and 'by'.")
        for entry in entries if name == "nudge" else [entries]:
            _known(entry, _ALLOWED[name], f"'{name}'", where)
            for key in _NEEDED[name]:
                if key not in entry:
                    raise InputError(f"'{name}'{where} lacks '{key}'; it must be {_ALLOWED[name][key]}.")
            for key, value in entry.items():
                if not _right(key, value, entry):
                    raise InputError(f"'{name}'{where} has '{key}': {value!r}; it must be {_ALLOWED[name][key]}.")
            if "key" in entry:
                tuning.parse_key(entry["key"])
    return settings


def _known(given, known, what, where):
    if not isinstance(given, dict):
        raise InputError(f"{what}{where} is {given!r}; it must have entries of these names: {', '.join(known)}.")
    for name in given:
        if name not in known:
            raise InputError(f"{what}{where} cannot have an entry '{name}'; it may have {', '.join(known)}.")


def _right(key, value, entry):
    """Whether a value is what `_ALLOWED` says."""
    number = lambda x: isinstance(x, (int, float)) and not isinstance(x, bool) and math.isfinite(x)  # noqa: E731
    if key == "key":
        return isinstance(value, str)
    if key == "phrases":
        return isinstance(value, list) and all(isinstance(x, int) and not isinstance(x, bool) and x >= 0 for x in value)
    if key == "spans":
        return isinstance(value, list) and all(isinstance(x, list) and len(x) == 2 and all(map(number, x)) and 0 <= x[0] < x[1] for x in value)
    if not number(value):
        return False
    low, high = {"strength": (0, 1), "a4": (380, 500), "by": (0, 60) if "from" not in entry else (-2, 2)}.get(key, (0, math.inf))
    return low <= value <= high and (key != "to" or not number(entry.get("from")) or value > entry["from"])


def _with(song, **arrays):
    """A song with some of its features replaced."""
    return replace(song, features=replace(song.features, **arrays))


def _sample(features, position):
    """F0, loudness and envelope at fractional frames. Between a frame with a pitch and one without, F0 is the nearer one's."""
    x = features.f0
    nearest = x[np.round(position).astype(int).clip(0, len(x) - 1)]
    both = frames_at((x > 0).astype(np.float32), position) == 1
    f0 = np.where(both, frames_at(x, position), nearest)
    return {"f0": f0.astype(np.float32), "loudness": frames_at(features.loudness, position), "mel": frames_at(features.mel, position)}


def _frames(seconds):
    return round(seconds / FRAME)


def _example(*, cents=0.0):
    """For the examples above, a song of three seconds: the note A4, a pause in which somebody breathes, A4 again."""
    from vcutils.dsp.features import Features
    from vcutils.generate import Song

    voiced, breath, rest = np.repeat([True, False, True], [100, 80, 121]), slice(120, 160), np.full(301, -90.0, np.float32)
    loudness = np.where(voiced, np.float32(-26), rest)
    loudness[breath] = -48
    mel = (loudness[:, None] / DECIBELS - np.linspace(0, 4, 80)).astype(np.float32)
    f0 = np.where(voiced, 440 * 2 ** (cents / 1200), 0).astype(np.float32)
    return Song(Features(np.zeros(48000, np.float32), f0, loudness, mel), 48000)
