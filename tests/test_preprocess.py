"""Step 2: what it keeps, what it computes again, and what it refuses."""
import os

import numpy as np
import pytest
import soundfile as sf

from vcutils.collect import collect
from vcutils.config import preset
from vcutils.errors import InputError
from vcutils.preprocess import load_features, preprocess, slice_at_silences
from vcutils.workspace import open_voice

CONFIG = preset("smoke")


@pytest.fixture
def voice(tmp_path, sing):
    for i in range(3):
        sf.write(tmp_path / f"take{i}.wav", sing(8.0, f0=120.0 + 20 * i), 16000)
    voice = open_voice("anna", workspace=tmp_path / "workspace")
    collect([tmp_path / f"take{i}.wav" for i in range(3)], voice, consent="self", progress=False)
    return voice


def files(voice):
    return {p.name: p.stat().st_mtime_ns for p in voice.features.iterdir()}


def test_second_run_computes_nothing(voice):
    assert preprocess(voice, config=CONFIG, progress=False)["computed"] == 3
    before = files(voice)
    assert preprocess(voice, config=CONFIG, progress=False)["computed"] == 0
    assert files(voice) == before


def test_a_changed_setting_recomputes_and_leaves_no_stale_files(voice):
    preprocess(voice, config=CONFIG, progress=False)
    other = preset("smoke", n_mels=64)
    assert preprocess(voice, config=other, progress=False)["computed"] == 3
    assert len(files(voice)) == 4  # three recordings and the index
    assert load_features(voice, config=other)[0].mel.shape[1] == 64
    with pytest.raises(InputError, match="other settings"):
        load_features(voice, config=CONFIG)


def test_settings_of_later_steps_recompute_nothing(voice):
    preprocess(voice, config=CONFIG, progress=False)
    assert preprocess(voice, config=preset("smoke", steps=7, width=32), progress=False)["computed"] == 0


def test_only_the_missing_file_is_computed(voice):
    preprocess(voice, config=CONFIG, progress=False)
    next(voice.features.glob("*.npz")).unlink()
    assert preprocess(voice, config=CONFIG, progress=False)["computed"] == 1


def test_a_damaged_file_is_computed_again(voice):
    preprocess(voice, config=CONFIG, progress=False)
    damaged = next(voice.features.glob("*.npz"))
    damaged.write_bytes(damaged.read_bytes()[:1000])
    (voice.features / ".part-killed.npz").write_bytes(b"half a file")
    os.utime(voice.features / ".part-killed.npz", (0, 0))
    with pytest.raises(InputError, match=damaged.name):
        load_features(voice, config=CONFIG)
    assert preprocess(voice, config=CONFIG, progress=False)["computed"] == 1
    assert len(files(voice)) == 4  # nothing half-written is left
    assert load_features(voice, config=CONFIG)


def test_slices_fit_their_audio(voice):
    preprocess(voice, config=CONFIG, progress=False)
    for u in load_features(voice, config=CONFIG):
        assert len(u.y) == len(u.f0) * CONFIG.hop_length
        assert len(u.f0) == len(u.loudness) == len(u.mel)
        assert np.isfinite(u.mel).all()


def test_no_consent_no_features(voice):
    voice.manifest.unlink()
    with pytest.raises(InputError):
        preprocess(voice, config=CONFIG, progress=False)
    assert not voice.features.exists()


def test_a_recording_changed_after_consent_is_refused(voice):
    recording = next(voice.recordings.iterdir())
    recording.write_bytes(recording.read_bytes()[:-100] + bytes(100))
    with pytest.raises(InputError, match=recording.name):
        preprocess(voice, config=CONFIG, progress=False)


def test_cuts_at_long_silences_only():
    sr, hop = 16000, 160
    tone = np.sin(np.arange(2 * sr) / 10).astype(np.float32)
    short, long = np.zeros(int(0.25 * sr), np.float32), np.zeros(sr, np.float32)
    slices = slice_at_silences(np.concatenate([tone, short, tone, long, tone]), sr=sr, hop_length=hop)
    assert len(slices) == 2
    assert abs(slices[0][1] - 425) < 20 and abs(slices[1][0] - 525) < 20  # frames of 10 ms


def test_long_slices_are_cut_into_equal_parts():
    tone = np.sin(np.arange(30 * 16000) / 10).astype(np.float32)
    slices = slice_at_silences(tone, sr=16000, hop_length=160)
    lengths = [b - a for a, b in slices]
    assert len(slices) == 3 and max(lengths) <= 1201 and max(lengths) - min(lengths) <= 1


def test_features_of_other_recordings_are_refused(voice, tmp_path, sing):
    preprocess(voice, config=CONFIG, progress=False)
    sf.write(tmp_path / "other.wav", sing(16.0, f0=220.0), 16000)
    collect([tmp_path / "other.wav"], voice, consent="permission", note="by another person", progress=False)
    with pytest.raises(InputError, match="of other recordings.*run the step 'preprocess' again"):
        load_features(voice, config=CONFIG)  # or one person's voice would get another's consent


def test_what_another_process_is_writing_stays(voice):
    preprocess(voice, config=CONFIG, progress=False)
    (voice.features / ".part-young.npz").write_bytes(b"half a file")
    preprocess(voice, config=CONFIG, progress=False)
    assert (voice.features / ".part-young.npz").is_file()
