"""Scores sung: in tune, in time, with breath and words, at the level of frames and, once, in the sound of the demo voice."""
import functools

import librosa
import numpy as np
import pytest

pytest.importorskip("espeakng_loader")
pytest.importorskip("pretty_midi")

from vcutils.config import preset
from vcutils.demo import DEMO_SCORES, demo_model, demo_score
from vcutils.dsp.f0 import estimate_f0
from vcutils.dsp.speech import guess_language, speak
from vcutils.errors import InputError
from vcutils.generate import choose_key, convert
from vcutils.model import load_model
from vcutils.perform import perform, say
from vcutils.score import Note, Score, read_score

CONFIG = preset("quick")
FPS = CONFIG.sr / CONFIG.hop_length


def demo(name):
    melody, words, _ = demo_score(name)
    return read_score(melody, lyrics=words, language="de" if name == "ode_to_joy" else None)


@functools.cache
def performed(name):
    return perform(demo(name), config=CONFIG)


def score_of(*notes, language="en-us"):
    return Score(tuple(Note(*note) for note in notes), language)


def cents_off(f0, note, fps):
    """Deviation of the voiced frames in the middle half of a note."""
    quarter = (note.end - note.start) / 4
    middle = f0[int(np.ceil((note.start + quarter) * fps)) : int((note.end - quarter) * fps) + 1]
    return 100 * (librosa.hz_to_midi(middle[middle > 0]) - note.pitch)


@pytest.mark.parametrize("name", DEMO_SCORES)
def test_notes_are_in_tune(name):
    score = demo(name)
    f0 = performed(name).features.f0
    off = [cents_off(f0, note, FPS) for note in score.notes]
    assert all(len(frames) for frames in off), "a note is not voiced"
    share = [np.mean(np.abs(frames) < 35) for frames in off]
    assert np.mean(np.array(share) >= 0.9) > 0.95


def test_the_demo_voice_sings_the_score_in_tune_and_in_time():
    """In the sound itself, tracked anew. A note begins where the pitch is half-way to it."""
    score = demo("ode_to_joy")
    sung = convert(load_model(demo_model()), performed("ode_to_joy"), key=0)
    f0 = estimate_f0(sung["y"], sr=CONFIG.sr, hop_length=CONFIG.hop_length)
    share = [np.mean(np.abs(cents_off(f0, note, FPS)) < 35) for note in score.notes]
    assert np.mean(np.array(share) >= 0.9) > 0.9
    late = []
    for before, note in zip(score.notes, score.notes[1:]):
        if note.pitch == before.pitch or note.start - before.end > 0.01:
            continue
        around = np.arange(round((note.start - 0.15) * FPS), round((note.start + 0.15) * FPS) + 1)
        if (f0[around] > 0).all():  # no silent consonant in between
            side = np.sign(note.pitch - before.pitch) * (librosa.hz_to_midi(f0[around]) - (note.pitch + before.pitch) / 2)
            late.append(around[np.argmax(side > 0)] / FPS - note.start)
    assert len(late) > 10
    assert np.max(np.abs(late)) < 0.03


def test_a_vowel_begins_on_its_note_and_consonants_come_before():
    score = score_of((1.0, 2.0, 60, 80, 1, "say"), (2.0, 3.0, 60, 80, 1, "so"), (3.0, 4.0, 60, 80, 1, "see"))
    f0 = perform(score, config=CONFIG).features.f0
    for note in score.notes:
        at = round(note.start * FPS)
        assert (f0[at + 1 : at + 30] > 0).all()  # the vowel
        assert (f0[at - 6 : at - 2] == 0).all()  # the "s"


def test_vibrato_has_the_rate_and_extent_that_were_asked_for():
    score = score_of((0.5, 4.5, 64, 80, 1, "la"))
    song = perform(score, config=CONFIG, vibrato=0.4, vibrato_rate=6.0, drift=0.0)
    held = librosa.hz_to_midi(song.features.f0[round(1.5 * FPS) : round(4.2 * FPS)]) - 64
    spectrum = np.abs(np.fft.rfft(held * np.hanning(len(held)), 4096))
    rate = np.argmax(spectrum[20:]) + 20
    assert rate * FPS / 4096 == pytest.approx(6.0, rel=0.03)
    assert np.max(held) == pytest.approx(0.4, rel=0.1) and np.min(held) == pytest.approx(-0.4, rel=0.1)
    flat = perform(score, config=CONFIG, vibrato=0.0, drift=0.0).features.f0
    assert np.ptp(flat[round(1.5 * FPS) : round(4.2 * FPS)]) < 0.01


def test_short_notes_have_no_vibrato():
    score = score_of(*((0.5 + 0.4 * i, 0.9 + 0.4 * i, 64, 80, 1, "la") for i in range(4)))
    f0 = perform(score, config=CONFIG, drift=0.0).features.f0
    assert np.ptp(librosa.hz_to_midi(f0[f0 > 0])[20:]) < 0.05


def test_rests_are_silent_but_for_a_breath():
    score = score_of((0.2, 1.0, 60, 80, 1, "la"), (2.5, 3.5, 60, 80, 1, "la"))
    breathing, still = (perform(score, config=CONFIG, breath=breath).features.loudness for breath in (-20.0, None))
    rest = slice(round(1.2 * FPS), round(2.3 * FPS))
    assert still[rest].max() < -90
    assert breathing[rest].max() - np.percentile(breathing, 90) == pytest.approx(-20, abs=3)
    assert breathing[round(1.2 * FPS) : round(1.9 * FPS)].max() < -90  # it comes just before the phrase


def test_velocity_and_dynamics():
    notes = [(0.5 + i, 1.5 + i, 60, velocity, 1, "la") for i, velocity in enumerate((50, 100))]
    loud = perform(score_of(*notes), config=CONFIG).features.loudness
    even = perform(score_of(*notes), config=CONFIG, dynamics=0.0).features.loudness
    first, second = (round((0.9 + i) * FPS) for i in range(2))
    # twice the velocity is 6 dB; the arch of the phrase adds less than 2 dB between these points
    assert loud[second] - loud[first] == pytest.approx(6, abs=2.5)
    assert abs(even[second] - even[first]) < 2


def test_melisma_holds_the_vowel_over_its_notes():
    score = score_of((0.5, 1.0, 60, 80, 1, "long"), (1.0, 1.5, 64, 80, 1, "_"), (1.5, 2.0, 62, 80, 1, "_"))
    song = perform(score, config=CONFIG, drift=0.0)
    f0 = song.features.f0
    assert (f0[round(0.52 * FPS) : round(1.75 * FPS)] > 0).all()
    for note in score.notes:
        assert np.median(np.abs(cents_off(f0, note, FPS))) < 20


def test_a_score_far_from_the_voice_is_moved_with_a_message():
    song = perform(score_of((0.5, 2.5, 33, 80, 1, "la")), config=CONFIG)  # A1, 55 Hz
    semitones, message = choose_key(song.features.f0, load_model(demo_model()).f0_range, key="octave")
    assert semitones == 24 and message.startswith("Key: moved up by 24 semitones (2 octaves)")


def test_one_seed_one_performance():
    score = score_of((0.5, 2.5, 60, 80, 1, "la"))
    one, same, other = (perform(score, config=CONFIG, seed=seed).features.f0 for seed in (0, 0, 1))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_words_with_more_and_fewer_vowels_than_notes():
    notes = ((0.5, 1.0, 60, 80, 1, "flower"), (1.0, 1.5, 62, 80, 1, "lo-"), (1.5, 2.0, 64, 80, 1, "ve"), (2.0, 2.5, 60, 80, 1, "hmm"))
    song = perform(score_of(*notes), config=CONFIG)
    for note in score_of(*notes).notes:
        assert len(cents_off(song.features.f0, note, FPS)) > 10


def test_a_rest_inside_a_word_and_another_language():
    song = perform(score_of((0.5, 1.0, 60, 80, 1, "月"), (1.0, 1.5, 62, 80, 1, "亮"), language="cmn"), config=CONFIG)
    assert (song.features.f0 > 0).sum() > 0.8 * FPS
    song = perform(score_of((0.5, 1.0, 60, 80, 1, "a-"), (1.5, 2.0, 62, 80, 1, "las")), config=CONFIG)
    assert song.features.loudness[round(1.2 * FPS) : round(1.3 * FPS)].max() < -60


def test_nothing_in_it_is_not_a_number():
    for name in DEMO_SCORES:
        song = performed(name)
        parts = song.features
        assert len(parts.f0) == len(parts.loudness) == len(parts.mel) == 1 + song.n_samples // CONFIG.hop_length
        assert all(np.isfinite(x).all() for x in (parts.f0, parts.loudness, parts.mel))
        assert parts.loudness.max() < 0


def test_every_language_of_the_demo_is_spoken_with_times():
    for text, language, vowels in (("see you", "en-us", 2), ("Götterfunken", "de", 4), ("芳草碧连天", "cmn", 5), ("さくら", "ja", 3)):
        y, sr, phones = speak(text, language=language)
        assert sum(phone.vowel for phone in phones) == vowels
        assert all(a.end <= b.start + 1e-9 for a, b in zip(phones, phones[1:]))
        assert phones[-1].end <= len(y) / sr + 1e-6
        loud = max(phones, key=lambda phone: np.std(y[int(phone.start * sr) : int(phone.end * sr)]))
        assert loud.vowel  # the times belong to the sound


def test_languages():
    assert [guess_language(text) for text in ("月亮", "つき moon", "달", "луна", "Mond", "12")] == ["cmn", "ja", "ko", "ru", "en-us", "en-us"]
    with pytest.raises(InputError, match="no language 'nonsense'; choose one such as"):
        speak("la", language="nonsense")
    with pytest.raises(InputError, match="nothing to say"):
        speak("...")


def test_say_speaks_in_the_voices_own_range():
    model = load_model(demo_model())
    song = say("Good morning. Did you sleep well?", config=CONFIG, f0_range=model.f0_range)
    f0 = song.features.f0[song.features.f0 > 0]
    low, middle, high = model.f0_range
    assert np.median(f0) == pytest.approx(middle, rel=0.02)
    assert np.percentile(f0, 98) / np.percentile(f0, 2) == pytest.approx(high / low, rel=0.15)
    slow = say("Good morning. Did you sleep well?", config=CONFIG, rate=100)
    assert slow.n_samples > 1.2 * song.n_samples
    with pytest.raises(InputError, match="nothing to say"):
        say(" ?! ", config=CONFIG)


def test_a_song_that_begins_at_once_keeps_its_first_consonants():
    song = perform(score_of((0.0, 1.0, 60, 80, 1, "stay"), (1.0, 2.0, 62, 80, 1, "now")), config=CONFIG)
    voiced_flag = song.features.f0 > 0
    first = int(np.argmax(voiced_flag))
    assert 0.08 * FPS < first < 0.5 * FPS  # "st" has its time
    assert voiced_flag[first : round(0.9 * FPS)].all()


def test_a_syllable_held_over_a_rest_is_silent_there():
    song = perform(score_of((0.0, 0.5, 60, 80, 1, "la"), (2.0, 3.0, 62, 80, 1, "_")), config=CONFIG)
    assert song.features.loudness[round(0.6 * FPS) : round(1.9 * FPS)].max() < -60
    assert song.features.loudness[round(2.2 * FPS)] > -35


def test_every_syllable_of_a_phrase_without_a_rest_is_spoken():
    line = "月亮代表我的心" * 40
    notes = [(0.3 * i, 0.3 * i + 0.3, 60, 80, 1, character) for i, character in enumerate(line)]
    song = perform(score_of(*notes, language="cmn"), config=CONFIG, dynamics=0)
    end = song.features.mel[-round(7 * 0.3 * FPS) - 50 : -50]
    begin = song.features.mel[round(7 * 0.3 * FPS) : round(14 * 0.3 * FPS)]
    assert np.std(end, axis=0).mean() > 0.8 * np.std(begin, axis=0).mean()  # as many sounds as in an earlier line, not one that is held


def test_letters_made_of_two_characters_and_marks_that_are_vowels():
    def names(text, language):
        return [phone.name for phone in speak(text, language=language)[2]]

    assert names("scho\u0308n", "de") == names("schön", "de")
    song = perform(score_of((0.5, 1.5, 60, 80, 1, "के"), language="hi"), config=CONFIG)
    without = perform(score_of((0.5, 1.5, 60, 80, 1, "क"), language="hi"), config=CONFIG)
    middle = round(1.0 * FPS)
    assert np.abs(song.features.mel[middle] - without.features.mel[middle]).mean() > 0.2  # "ke" and "ka" are not one


@pytest.mark.parametrize("rate", (5, 1000))
def test_a_rate_that_nobody_speaks_at(rate):
    with pytest.raises(InputError, match=f"rate is {rate}; it must be between 80 and 450"):
        say("hello", config=CONFIG, rate=rate)
