"""Notes and keys: how a singer is tuned, which notes are sung, which key they are in, and how to move them within it.

Pitch is counted in semitones as MIDI does, A4 being 69, so that an octave is 12 everywhere. A frame lasts 10 ms.
"""
import re
from typing import NamedTuple

import numpy as np

from vcutils.errors import InputError

A4 = 440.0  # Hz
FRAME = 0.01  # s
STEP_COST = 6.0  # semitones times frames: what a step of `find_notes` has to save
SHORTEST = 8  # frames; what is shorter is a slide or an ornament, and no note
ACCIDENTAL = 0.35  # semitones; a note this near to a pitch outside of the scale is meant to be there
GLIDE = 7  # frames over which one note's shift goes over into the next one's

SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10), "chromatic": tuple(range(12))}
# How well each semitone of an octave fits a key, from the tonic on, as listeners rated it [Krumhansl, table 2.1].
_PROFILES = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}
_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")


class Note(NamedTuple):
    """A stretch of frames at one pitch.

    Attributes
    ----------
    start, stop : int
        Frames, the second one not included.
    pitch : float
        Its centre in semitones, A4 being 69.
    """

    start: int
    stop: int
    pitch: float


def parse_key(key, *, diatonic=False):
    """The scale that a key stands for.

    Parameters
    ----------
    key : str
        A tonic and a scale ("E minor", "bb major", "C chromatic"), or the notes of a scale, the tonic first
        ("E F# G A B C D#"). The minor scale is the natural one.
    diatonic : bool
        Whether to refuse the chromatic scale: all its steps are alike, so that it has no thirds.

    Returns
    -------
    tuple of int
        Pitch classes upwards from the tonic; C is 0, B is 11.

    Raises
    ------
    InputError
        If it is neither.

    Examples
    --------
    >>> parse_key("E minor")
    (4, 6, 7, 9, 11, 0, 2)
    >>> parse_key("A C D E G")
    (9, 0, 2, 4, 7)
    """
    words = str(key).split()
    scale = SCALES.get(words[-1].lower()) if words else None
    classes = [_pitch_class(word) for word in (words[:-1] if scale else words)]
    if None in classes or len(classes) != (1 if scale else max(2, len(set(classes)))):
        raise InputError(f"The key '{key}' is neither a tonic with one of {', '.join(SCALES)}, such as 'E minor', nor a list of notes, such as 'E F# G A B C D#'.")
    tonic = classes[0]
    steps = scale or sorted((c - tonic) % 12 for c in classes)
    if diatonic and len(steps) == 12:
        raise InputError(f"The key '{key}' has no thirds or sixths; give a major or minor one, or the notes of a scale.")
    return tuple((tonic + step) % 12 for step in steps)


def _pitch_class(name):
    """0 for C to 11 for B, or None if it names no note."""
    if not re.fullmatch("[A-Ga-g][#b]?", name):
        return None
    return ("C D EF G A B".index(name[0].upper()) + {"#": 1, "b": -1, "": 0}[name[1:]]) % 12


def find_tuning(f0):
    """What a singer takes for A4: the semitones that fit the sung notes best.

    The deviations of the notes from the semitones of 440 Hz lie on a circle, as half a semitone too high is half a semitone too low,
    so their mean is taken on it.

    Parameters
    ----------
    f0 : np.ndarray [shape=(n_frames,)]
        Hz; 0 where unvoiced.

    Returns
    -------
    float
        Hz, from 427.5 to 452.9; 440 if there is no note.

    Examples
    --------
    >>> f0 = 446 * 2 ** (np.repeat([0, 2, 3], 50) / 12)
    >>> round(find_tuning(f0), 1)
    446.0
    """
    notes = find_notes(f0)  # single frames would not do: a wide vibrato spends most of its time far from its middle
    turns = sum((note.stop - note.start) * np.exp(2j * np.pi * note.pitch) for note in notes)
    apart = np.angle(turns) / (2 * np.pi)
    return A4 * 2 ** (float(apart) / 12)


def to_semitones(f0, *, a4=A4):
    """Pitch in semitones, A4 being 69.

    Parameters
    ----------
    f0 : np.ndarray
        Hz, above 0.
    a4 : float
        Hz of A4.

    Returns
    -------
    np.ndarray

    Examples
    --------
    >>> to_semitones(np.array([440.0, 220.0]))
    array([69., 57.])
    """
    return 69 + 12 * np.log2(np.asarray(f0, float) / a4)


def find_runs(flags):
    """The stretches of frames in which a flag is set.

    Parameters
    ----------
    flags : np.ndarray [shape=(n_frames,)], bool

    Returns
    -------
    list of (int, int)
        First frame of each, and the frame after its last.

    Examples
    --------
    >>> find_runs(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    return [(int(a), int(b)) for a, b in np.flatnonzero(np.diff(np.concatenate([[0], flags, [0]]).astype(int))).reshape(-1, 2)]


def find_notes(f0, *, a4=A4):
    """Cut a pitch curve into notes.

    Of all staircases the one is taken that is nearest to the curve, where each step costs as much as being one semitone
    away for `STEP_COST` frames. A slide, a scoop and vibrato are cheaper to leave than to follow, so they stay parts of
    a note. It is found by dynamic programming [1]_. A stretch of less than `SHORTEST` frames is no note.

    Parameters
    ----------
    f0 : np.ndarray [shape=(n_frames,)]
        Hz; 0 where unvoiced.
    a4 : float
        Hz of A4.

    Returns
    -------
    list of Note
        Each with the median of its frames as its pitch.

    References
    ----------
    .. [1] A. Viterbi, "Error bounds for convolutional codes and an asymptotically optimum decoding algorithm", IEEE
       Trans. Information Theory 13(2), 1967.

    Examples
    --------
    >>> vibrato = 0.5 * np.sin(2 * np.pi * 5.5 * np.arange(100) * FRAME)
    >>> f0 = 440 * 2 ** (np.append(vibrato, 2 + vibrato) / 12)
    >>> [(note.start, note.stop, round(note.pitch)) for note in find_notes(f0)]
    [(0, 100, 69), (100, 200, 71)]
    """
    notes = []
    for start, stop in find_runs(f0 > 0):
        pitch = to_semitones(f0[start:stop], a4=a4)
        stairs = _staircase(pitch)
        steps = np.concatenate([[0], np.flatnonzero(np.diff(stairs)) + 1, [len(pitch)]])
        notes += [Note(int(start + a), int(start + b), float(np.median(pitch[a:b]))) for a, b in zip(steps, steps[1:]) if b - a >= SHORTEST]
    return notes


def _staircase(pitch):
    """The cheapest staircase along a curve, its levels a fifth of a semitone apart."""
    levels = np.arange(np.floor(pitch.min()), np.ceil(pitch.max()) + 0.1, 0.2)
    total, came_from = np.zeros(len(levels)), np.empty((len(pitch), len(levels)), int)
    for t, p in enumerate(pitch):
        best = total.argmin()
        stepped = total > total[best] + STEP_COST
        came_from[t] = np.where(stepped, best, np.arange(len(levels)))
        total = np.where(stepped, total[best] + STEP_COST, total) + np.abs(levels - p)
    path = np.empty(len(pitch), int)
    at = total.argmin()
    for t in range(len(pitch) - 1, -1, -1):
        path[t] = at
        at = came_from[t, at]
    return path


def find_key(f0):
    """The key that a tune is most likely in.

    How long each of the twelve pitch classes is sung is correlated with how well listeners found each to fit a key, for
    all 24 keys. The highest correlation wins [1]_.

    Parameters
    ----------
    f0 : np.ndarray [shape=(n_frames,)]
        Hz; 0 where unvoiced.

    Returns
    -------
    key : str
        For `parse_key`; counted from the singer's own tuning.
    sureness : float
        The correlation less that of the best key with other notes. Below about 0.05 have a look at the key yourself.

    Raises
    ------
    InputError
        If there is no note.

    References
    ----------
    .. [1] C. L. Krumhansl, "Cognitive Foundations of Musical Pitch", Oxford University Press, 1990, chapter 4: the
       algorithm of Krumhansl and Schmuckler, with the profiles of Krumhansl and Kessler.

    Examples
    --------
    >>> tune = [67, 69, 71, 72, 74, 76, 78, 79, 74, 71, 67]
    >>> find_key(440 * 2 ** ((np.repeat(tune, 30) - 69) / 12))[0]
    'G major'
    """
    notes = find_notes(f0, a4=find_tuning(f0))
    if not notes:
        raise InputError("There is no note in the song, so it has no key; give a recording in which somebody sings.")
    sung = np.zeros(12)
    for note in notes:
        sung[round(note.pitch) % 12] += note.stop - note.start
    fits = {
        f"{_NAMES[tonic]} {mode}": np.corrcoef(sung, np.roll(profile, tonic))[0, 1] for mode, profile in _PROFILES.items() for tonic in range(12)
    }
    key = max(fits, key=fits.get)
    others = [fit for name, fit in fits.items() if set(parse_key(name)) != set(parse_key(key))]
    return key, float(fits[key] - max(others))


def correct(f0, *, key, strength, a4=A4):
    """Move the notes of a singer towards those of a key; vibrato, slides and scoops stay.

    Each note moves as a whole, by the distance of its centre to the nearest pitch of the scale times `strength`. From
    one note to the next the shift glides. A note within `ACCIDENTAL` of a pitch outside of the scale is meant to be
    there (the D# in a tune in E minor), and moves to that pitch.

    Parameters
    ----------
    f0 : np.ndarray [shape=(n_frames,)]
        Hz; 0 where unvoiced.
    key : str
        See `parse_key`.
    strength : float
        0 changes nothing, 1 brings every centre onto the scale.
    a4 : float
        Hz that A4 has in the tuning that the notes are moved to.

    Returns
    -------
    np.ndarray [shape=(n_frames,)]

    Raises
    ------
    InputError
        If `strength` or the key cannot be used.

    Examples
    --------
    >>> flat = np.full(50, 440 * 2 ** (-0.3 / 12))
    >>> float(correct(flat, key="C major", strength=1.0)[25].round(3))
    440.0
    """
    scale = parse_key(key)
    if not 0 <= strength <= 1:
        raise InputError(f"The strength of the correction is {strength}; it must be between 0 and 1.")
    notes = find_notes(f0, a4=a4)
    return _shift(f0, notes, [strength * (nearest_pitch(note.pitch, scale) - note.pitch) for note in notes])


def nearest_pitch(pitch, scale, *, accidental=ACCIDENTAL):
    """The pitch of a scale that a note is meant to have, or a semitone outside of it that the note is close to.

    Parameters
    ----------
    pitch : float
        Semitones.
    scale : sequence of int
        Pitch classes.
    accidental : float
        How close that is, in semitones; 0 allows the scale alone.

    Returns
    -------
    int
        Semitones.

    Examples
    --------
    >>> scale = parse_key("E minor")
    >>> [nearest_pitch(pitch, scale) for pitch in (62.3, 62.6, 62.7)]  # D4, D4, D#4
    [62, 62, 63]
    """
    semitone = round(pitch)
    if semitone % 12 in scale or abs(pitch - semitone) <= accidental:
        return semitone
    return min((s for s in range(semitone - 12, semitone + 13) if s % 12 in scale), key=lambda s: abs(pitch - s))


def harmonise(f0, *, key, steps, a4=A4):
    """A second voice that runs along with a tune, so many steps of the scale away.

    A third is sometimes three semitones and sometimes four, whichever the scale has. Each note moves as a whole, so the
    second voice has the vibrato, the slides and the deviations of the first. For a note outside of the scale the
    neighbouring step is taken whose interval is the more usual one.

    Parameters
    ----------
    f0 : np.ndarray [shape=(n_frames,)]
        Hz; 0 where unvoiced.
    key : str
        See `parse_key`; not chromatic, as that has no thirds.
    steps : int
        2 for a third above, 5 for a sixth above; negative for below.
    a4 : float
        Hz of the singer's A4.

    Returns
    -------
    np.ndarray [shape=(n_frames,)]

    Raises
    ------
    InputError
        If the key cannot be used.

    Examples
    --------
    >>> tune = 440 * 2 ** ((np.repeat([60, 62, 64], 50) - 69) / 12)  # C D E
    >>> above = harmonise(tune, key="C major", steps=2)  # E F G
    >>> to_semitones(above[[25, 75, 125]]).round(2)
    array([64., 65., 67.])
    """
    scale = parse_key(key, diatonic=True)
    notes = find_notes(f0, a4=a4)
    return _shift(f0, notes, [_interval(nearest_pitch(note.pitch, scale), scale, steps) for note in notes])


def _interval(pitch, scale, steps):
    """Semitones from a pitch to the one that is so many steps of the scale away."""
    ladder = sorted(12 * octave + c for octave in range(-3, 4) for c in scale)  # around 0 = C
    place = pitch % 12
    usual = 12 * steps / len(scale)
    starts = [ladder.index(place)] if place in ladder else [i for i, c in enumerate(ladder) if abs(c - place) == 1] or [np.searchsorted(ladder, place)]
    return min((ladder[i + steps] - place for i in starts), key=lambda interval: abs(interval - usual))


def _shift(f0, notes, semitones):
    """Move each note by its own number of semitones; in between the shift glides."""
    if not notes:
        return f0.copy()
    frames = np.concatenate([np.arange(note.start, note.stop) for note in notes])
    shift = np.interp(np.arange(len(f0)), frames, np.repeat(semitones, [note.stop - note.start for note in notes]))
    window = np.hanning(GLIDE + 2)
    shift = np.convolve(np.pad(shift, GLIDE // 2 + 1, mode="edge"), window / window.sum(), mode="valid")
    return (f0 * 2 ** (shift / 12)).astype(f0.dtype)
