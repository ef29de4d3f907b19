"""The demo data is there, is what its README says, and is made by its script."""
import csv
import importlib.util
import shutil

import librosa
import numpy as np
import pytest
import scipy.signal

from vcutils.demo import DEMO_VOICES, demo_song, demo_voice
from vcutils.dsp.audio import load_audio
from vcutils.dsp.f0 import estimate_f0
from vcutils.errors import InputError


def folder_of_data():
    return demo_voice("slt").parent.parent


@pytest.mark.parametrize("name", DEMO_VOICES)
def test_a_demo_voice_is_two_to_three_minutes_at_a_good_level(name):
    files = sorted(demo_voice(name).iterdir())
    assert len(files) == 30 and {f.suffix for f in files} == {".flac"}
    recordings = [load_audio(f)[0] for f in files]
    assert 120 < sum(map(len, recordings)) / 16000 < 180
    assert 0.5 < max(np.abs(y).max() for y in recordings) < 0.9  # loud, not clipped
    assert all(np.sqrt(np.mean(y**2)) > 0.03 for y in recordings)  # -30 dBFS


def test_the_demo_voices_are_a_high_and_a_low_one():
    median = {}
    for name in DEMO_VOICES:
        y = np.concatenate([load_audio(f)[0] for f in sorted(demo_voice(name).iterdir())[:3]])
        f0 = estimate_f0(y, sr=16000, hop_length=160)
        median[name] = np.median(f0[f0 > 0])
    assert 150 < median["slt"] < 220 and 80 < median["rms"] < 130


def test_vocal_and_backing_are_of_one_length_and_do_not_clip():
    (vocal, sr), (backing, backing_sr) = (load_audio(path, mono=False) for path in demo_song())
    assert sr == backing_sr == 44100
    assert len(vocal) == 1 and len(backing) == 2  # mono and stereo
    assert vocal.shape[1] == backing.shape[1]
    assert 25 < vocal.shape[1] / sr < 40
    assert 0.3 < np.abs(vocal).max() < 0.9 and 0.3 < np.abs(backing).max() < 0.9


def notes():
    with open(demo_song()[0].with_name("greensleeves_notes.csv"), newline="", encoding="utf-8") as f:
        return [(float(n["start"]), float(n["end"]), int(n["midi"])) for n in csv.DictReader(f)]


def test_the_vocal_follows_the_melody():
    y, sr = load_audio(demo_song()[0], sr=16000)
    f0 = estimate_f0(y, sr=sr, hop_length=160)
    held, off = 0, []
    for start, end, midi in notes():
        if end - start >= 0.5:  # a glide and the consonants take up to 0.2 s of a note
            middle = f0[round(100 * start) + 15:round(100 * end) - 15]
            cents = 1200 * np.log2(middle[middle > 0] / librosa.midi_to_hz(midi))
            assert abs(np.median(cents)) < 15
            off.append(np.mean(np.abs(cents) < 35))  # the vibrato is 20 cents deep
            held += 1
    assert held > 20 and np.mean(off) > 0.97


def test_the_backing_keeps_the_vocals_beat():
    """Bass and drum enter on each half bar: of all shifts of that grid, the one with the sharpest rises is none."""
    y, sr = load_audio(demo_song()[1])
    low = scipy.signal.sosfilt(scipy.signal.butter(2, 120, fs=sr, output="sos"), y)
    loudness = np.abs(low[:len(low) // 441 * 441]).reshape(-1, 441).mean(axis=1)  # every 10 ms
    rise = np.maximum(0, np.diff(loudness))
    grid = notes()[1][0] + 1.02 * np.arange(30)  # from the first full bar on, which the second note opens
    shifts = np.arange(-0.5, 0.5, 0.01)
    score = [rise[np.round((grid + shift) * 100).astype(int)].sum() for shift in shifts]
    assert abs(shifts[np.argmax(score)]) < 0.025


def test_the_readme_names_provenance_and_licence():
    text = " ".join((folder_of_data() / "README.md").read_text(encoding="utf-8").split())
    for word in ("flite", "Carnegie Mellon University", "Permission is hereby granted", "public domain", *DEMO_VOICES):
        assert word in text
    for path in demo_song():
        assert path.name in text


def test_the_demo_data_is_small():
    assert sum(f.stat().st_size for f in folder_of_data().rglob("*") if f.is_file()) < 12e6


def test_an_unknown_demo_voice_is_an_input_error():
    with pytest.raises(InputError, match="slt, rms"):
        demo_voice("kal")


def test_the_script_makes_the_committed_files():
    if not shutil.which("flite"):
        pytest.skip("flite is not installed (apt-get install flite)")
    pytest.importorskip("pyworld")
    script = folder_of_data() / "make_demo.py"
    spec = importlib.util.spec_from_file_location("make_demo", script)
    make_demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_demo)
    y, sr, _ = make_demo.flite(make_demo.SENTENCES[0], "slt")
    stored, stored_sr = load_audio(demo_voice("slt") / "slt_01.flac")
    assert sr == stored_sr and len(y) == len(stored)
    assert np.corrcoef(y, stored)[0, 1] > 0.9999  # up to the gain and 16-bit rounding
    melody = [(start, end, midi) for _, syllables in make_demo.score() for _, sung in syllables for midi, start, end in sung]
    assert np.allclose(melody, notes(), atol=1e-3)  # the table has milliseconds
