"""Notes and keys: what is found in made tunes and in real singing, and what a correction moves and leaves."""
import csv

import numpy as np
import pytest

from vcutils.demo import demo_song
from vcutils.dsp import tuning
from vcutils.dsp.audio import load_audio
from vcutils.dsp.f0 import estimate_f0
from vcutils.errors import InputError

SCALE = [60, 62, 64, 65, 67, 69, 71, 72]


def tune(pitches, *, frames=40, cents=0.0, rate=5.5, extent=0.0):
    """F0 of a tune without pauses, all of it too high by some cents, with vibrato if asked for."""
    wave = extent * np.sin(2 * np.pi * rate * np.arange(frames * len(pitches)) * tuning.FRAME)
    return (440 * 2 ** ((np.repeat(pitches, frames) - 69 + (cents + wave) / 100) / 12)).astype(np.float32)


def centres(f0, pitches, frames=40):
    """How far the middle of each note is from its pitch, cents."""
    return np.array([100 * (np.median(tuning.to_semitones(f0[i * frames : (i + 1) * frames])) - p) for i, p in enumerate(pitches)])


@pytest.fixture(scope="module")
def sung(voices):
    """Function that gives the F0 of a real recording."""
    cache = {}

    def f0(name):
        if name not in cache:
            y, sr = load_audio(voices / f"sources/singing/{name}/{name}.wav", sr=16000)
            cache[name] = estimate_f0(y, sr=sr, hop_length=160).astype(np.float32)
        return cache[name]

    return f0


@pytest.fixture(scope="module")
def greensleeves():
    """F0 of the demo song, and its notes (start, end in frames, pitch)."""
    y, sr = load_audio(demo_song()[0], sr=16000)
    with open(demo_song()[0].with_name("greensleeves_notes.csv"), newline="", encoding="utf-8") as f:
        notes = [(100 * float(n["start"]), 100 * float(n["end"]), int(n["midi"])) for n in csv.DictReader(f)]
    return estimate_f0(y, sr=sr, hop_length=160).astype(np.float32), notes


# ---- keys

@pytest.mark.parametrize("name, classes", [
    ("C major", "C D E F G A B"), ("e MINOR", "E F# G A B C D"), ("F# minor", "F# G# A B C# D E"), ("Bb major", "Bb C D Eb F G A"), ("E F# G A B C D#", "E G F# A B C Eb"),
])
def test_keys_have_their_notes(name, classes):
    assert set(tuning.parse_key(name)) == set(tuning.parse_key(classes))
    assert tuning.parse_key(name)[0] == tuning.parse_key(classes)[0]
    assert len(tuning.parse_key("C chromatic")) == 12


@pytest.mark.parametrize("key", ["", "H major", "E dorian", "major", "E", "E F major", "C## major", None, 3])
def test_what_is_no_key_is_refused_in_one_sentence(key):
    with pytest.raises(InputError, match="E minor") as caught:
        tuning.parse_key(key)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tonic", range(0, 12, 5))
@pytest.mark.parametrize("mode, cadence", [("major", [0, 4, 7, 5, 9, 7, 2, 7, 11, 0]), ("minor", [0, 3, 7, 5, 8, 7, 2, 7, 11, 0])])
def test_a_tune_is_found_in_its_key_however_the_singer_is_tuned(tonic, mode, cadence):
    key, sureness = tuning.find_key(tune(57 + tonic + np.array(cadence), cents=30))
    assert set(tuning.parse_key(key)) == {(9 + tonic + step) % 12 for step in tuning.SCALES[mode]} and sureness > 0


def test_greensleeves_is_in_e_minor(greensleeves):
    assert tuning.find_key(greensleeves[0])[0] == "E minor"


@pytest.mark.parametrize("cents", [-45, -20, 0, 31])
def test_a_singers_tuning_is_found(cents):
    f0 = np.append(tune(SCALE, frames=200, cents=cents, extent=60), np.zeros(30, np.float32))
    assert 1200 * np.log2(tuning.find_tuning(f0) / 440) == pytest.approx(cents, abs=2)


def test_tuning_around_the_quarter_tone_is_not_averaged_away():
    """Half of the notes 48 cents high, half 48 cents low, is 50 cents off and not 0."""
    f0 = np.append(tune(SCALE, cents=48), tune(SCALE, cents=-48))
    assert abs(1200 * np.log2(tuning.find_tuning(f0) / 440)) > 45


def test_silence_has_no_key_and_the_usual_tuning():
    with pytest.raises(InputError, match="no note"):
        tuning.find_key(np.zeros(100))
    assert tuning.find_tuning(np.zeros(100)) == 440
    assert tuning.find_notes(np.zeros(100)) == []
    assert np.array_equal(tuning.correct(np.zeros(100), key="C major", strength=1), np.zeros(100))


# ---- notes

@pytest.mark.parametrize("rate, extent", [(4.5, 40), (5.5, 80), (6.5, 100)])
def test_vibrato_does_not_make_notes(rate, extent):
    notes = tuning.find_notes(tune(SCALE, frames=60, rate=rate, extent=extent))
    assert [round(note.pitch) for note in notes] == SCALE
    # where one note ends is uncertain by half a turn of the vibrato
    assert all(abs(note.start - 60 * i) <= 9 for i, note in enumerate(notes))


def test_a_scoop_and_a_slide_are_parts_of_notes():
    pitch = np.concatenate([np.linspace(57, 60, 10), np.full(50, 60.0), np.linspace(60, 64, 8), np.full(50, 64.0)])
    notes = tuning.find_notes(440 * 2 ** ((pitch - 69) / 12))
    assert [round(note.pitch) for note in notes] == [60, 64]


def test_the_notes_of_the_demo_song_are_found(greensleeves):
    f0, annotated = greensleeves
    notes = tuning.find_notes(f0)
    overlap = lambda note, start, end: min(note.stop, end) - max(note.start, start)  # noqa: E731
    found = [abs(max(notes, key=lambda note: overlap(note, start, end)).pitch - pitch) < 0.5 for start, end, pitch in annotated]
    assert np.mean(found) > 0.9


def test_the_notes_of_a_real_singer_stay_close_to_the_annotated_pitch(voices, sung):
    """Of the frames that people marked as voiced, nearly all are in a note whose centre is within a semitone of their own F0."""
    times, hz = np.loadtxt(voices / "annotations/vocadito_1_f0.csv", delimiter=",").T
    frames, pitch = np.round(100 * times[hz > 0]).astype(int), tuning.to_semitones(hz[hz > 0])
    centre = np.full(len(sung("vocadito_1")) + 1, np.nan)
    notes = tuning.find_notes(sung("vocadito_1"))
    for note in notes:
        centre[note.start : note.stop] = note.pitch
    assert np.mean(np.abs(centre[frames] - pitch) < 1) > 0.85  # slides and scoops take the rest
    assert 50 < len(notes) < 75  # two people counted 59 and 64


# ---- correction

@pytest.mark.parametrize("cents", [-40, -15, 25])
def test_a_detuned_tune_comes_back(cents):
    f0 = tune(SCALE, cents=cents)
    assert np.abs(centres(tuning.correct(f0, key="C major", strength=1), SCALE)).max() < 5
    assert np.abs(centres(tuning.correct(f0, key="C major", strength=0.5), SCALE) - cents / 2).max() < 5


def test_strength_0_changes_no_bit(sung):
    for f0 in (sung("vocadito_1"), sung("vocadito_14")):
        assert tuning.correct(f0, key="C major", strength=0).tobytes() == f0.tobytes()


def test_unvoiced_frames_stay_unvoiced(sung):
    f0 = sung("vocadito_1")
    corrected = tuning.correct(f0, key=tuning.find_key(f0)[0], strength=1)
    assert corrected.dtype == f0.dtype and np.array_equal(corrected > 0, f0 > 0)


@pytest.mark.parametrize("rate, extent", [(5.5, 60), (6.5, 100), (4.5, 40)])
def test_vibrato_is_kept(rate, extent):
    def vibrato(f0):
        cents = 100 * tuning.to_semitones(f0)
        spectrum = np.abs(np.fft.rfft((cents - cents.mean()) * np.hanning(len(cents)), 16384))
        return np.fft.rfftfreq(16384, tuning.FRAME)[spectrum.argmax()], spectrum.max()

    f0 = tune([60, 67, 64], frames=200, cents=35, rate=rate, extent=extent)
    before, after = (vibrato(curve[220:380]) for curve in (f0, tuning.correct(f0, key="C major", strength=1)))
    assert after[0] == pytest.approx(before[0], rel=0.03) and after[1] == pytest.approx(before[1], rel=0.10)


def test_the_shift_glides_from_note_to_note(sung):
    """No jump that the singer did not make: the shift changes by at most a semitone within 70 ms, so by 0.3 a frame."""
    f0 = sung("vocadito_1")
    corrected = tuning.correct(f0, key=tuning.find_key(f0)[0], strength=1, a4=tuning.find_tuning(f0))
    shift = np.full(len(f0), np.nan)
    shift[f0 > 0] = 12 * np.log2(corrected[f0 > 0] / f0[f0 > 0])
    assert np.nanmax(np.abs(np.diff(shift))) < 0.3 and np.nanmax(np.abs(shift)) > 0.1


@pytest.mark.parametrize("name", ["vocadito_1", "vocadito_14"])
def test_real_singers_come_nearer_to_the_scale_by_what_was_asked_for(sung, name):
    f0 = sung(name)
    key, a4 = tuning.find_key(f0)[0], tuning.find_tuning(f0)
    scale, notes = tuning.parse_key(key), tuning.find_notes(f0, a4=a4)

    def apart(curve):
        return np.mean([abs(np.median(tuning.to_semitones(curve[n.start : n.stop], a4=a4)) - tuning.nearest_pitch(n.pitch, scale)) for n in notes])

    assert apart(tuning.correct(f0, key=key, strength=0.6, a4=a4)) == pytest.approx(0.4 * apart(f0), rel=0.05)


def test_the_leading_tone_is_left_in_its_place(greensleeves):
    """The D# and the C# of Greensleeves are not in E minor, and nobody wants to hear them as D, E or C."""
    f0, annotated = greensleeves
    corrected = tuning.correct(f0, key="E minor", strength=1)
    outside = [(int(start), int(end), pitch) for start, end, pitch in annotated if pitch % 12 in (1, 3) and end - start > 30]
    assert len(outside) >= 5
    for start, end, pitch in outside:
        middle = corrected[start + 15 : end - 8]
        assert abs(np.median(tuning.to_semitones(middle[middle > 0])) - pitch) < 0.1


def test_far_from_any_note_of_the_scale_the_nearest_one_is_meant():
    f0 = tune([62.6], frames=60)  # between D and D#
    assert centres(tuning.correct(f0, key="C major", strength=1), [62], 60)[0] == pytest.approx(0, abs=1)
    assert centres(tuning.correct(f0, key="C chromatic", strength=1), [63], 60)[0] == pytest.approx(0, abs=1)


@pytest.mark.parametrize("strength", [-0.1, 1.1, np.nan])
def test_strength_out_of_range_is_refused(strength):
    with pytest.raises(InputError, match="strength"):
        tuning.correct(tune(SCALE), key="C major", strength=strength)


# ---- harmonies

@pytest.mark.parametrize("steps, sizes", [(2, {3, 4}), (-2, {-3, -4}), (5, {8, 9}), (-5, {-8, -9})])
@pytest.mark.parametrize("key", ["C major", "A minor"])
def test_harmonies_are_diatonic(steps, sizes, key):
    f0 = tune(SCALE)
    second = tuning.harmonise(f0, key=key, steps=steps)
    intervals = [round((centres(second, SCALE) / 100)[i]) for i in range(len(SCALE))]
    assert set(intervals) <= sizes
    assert all((p + i) % 12 in tuning.parse_key(key) for p, i in zip(SCALE, intervals))
    assert np.abs(centres(second, np.add(SCALE, intervals))).max() < 5


def test_a_second_voice_to_the_demo_song_sings_thirds(greensleeves):
    """Also over the notes that are not in the scale: three or four semitones, wherever the tune goes."""
    f0, _ = greensleeves
    notes, second = tuning.find_notes(f0), tuning.harmonise(f0, key="E minor", steps=2)
    intervals = [np.median(12 * np.log2(second[n.start : n.stop] / f0[n.start : n.stop])) for n in notes]
    assert set(np.round(intervals)) == {3, 4}


def test_a_chromatic_scale_has_no_thirds():
    with pytest.raises(InputError, match="no thirds"):
        tuning.harmonise(tune(SCALE), key="C chromatic", steps=2)
