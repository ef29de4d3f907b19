"""Step 5 and its effects: what each does to a sound, and what finished tracks keep."""
import librosa
import numpy as np
import pytest
import scipy.signal

from vcutils.dsp import effects
from vcutils.dsp.audio import load_audio, save_audio
from vcutils.errors import InputError
from vcutils.postprocess import export, finish, read_provenance

SR = 16000
BARE = dict(noise_reduction=None, low_cut=None, fade_in=None, fade_out=None, lufs=None, ceiling=None)


@pytest.fixture(scope="module")
def song(voices):
    return load_audio(voices / "sources/singing/vocadito_1/vocadito_1.wav", sr=SR)[0][: 15 * SR]


def true_peak_db(y):
    """Peak at 16 times the rate by a way of its own: zeros appended to the spectrum."""
    return 20 * np.log10(np.abs(scipy.signal.resample(y, 16 * y.shape[-1], axis=-1)).max())


def snr(clean, y):
    return 10 * np.log10(np.sum(clean**2) / np.sum((y - clean) ** 2))


def lag(a, b):
    """By how many samples `a` comes later than `b`."""
    n = min(len(a), len(b))
    correlation = scipy.signal.correlate(a[:n], b[:n], method="fft")
    return int(np.argmax(correlation)) - (n - 1)


# effects


def test_limiter_holds_the_true_peak(song):
    loud = song / np.abs(song).max() * 4
    limited = effects.limit_peaks(loud, sr=SR, ceiling=-1)
    assert effects.true_peak(limited) < -1 + 1e-4
    assert true_peak_db(limited) < -1 + 0.69  # what 4 times oversampling may read too little, after BS.1770


def test_limiter_works_between_samples():
    y = np.tile([0.95, 0.95, -0.95, -0.95], 4000).astype(np.float32)  # no sample exceeds 0.95, the wave reaches 1.34
    assert true_peak_db(effects.limit_peaks(y, sr=SR, ceiling=-0.1)[1000:-1000]) < 0


def test_limiter_gain_moves_smoothly():
    y = 0.5 * librosa.tone(100, sr=SR, length=SR)
    y[8000:8160] *= 8
    gain = effects.limit_peaks(y, sr=SR, ceiling=-1)[np.abs(y) > 0.05] / y[np.abs(y) > 0.05]
    assert gain.min() < 0.25  # it worked
    # 0.78 within 20 ms is 0.0024 a sample, times the few samples that are left out near zero crossings
    assert np.abs(np.diff(gain)).max() < 0.02


def test_limiter_leaves_quiet_sound_alone_and_delays_nothing(song):
    quiet = 0.1 * song
    assert np.array_equal(effects.limit_peaks(quiet, sr=SR), quiet)
    assert lag(effects.limit_peaks(4 * song, sr=SR), song) == 0


def test_limiter_keeps_the_stereo_image():
    left = librosa.tone(300, sr=SR, length=SR)
    y = effects.limit_peaks(np.stack([2 * left, left]), sr=SR)
    assert np.allclose(y[0], 2 * y[1], atol=1e-5)


@pytest.mark.parametrize(
    "name", ["vocadito_14/vocadito_14", "sms_singing-female/singing-female", "openair_operatic/singing", "bpts_vocal_da/vocal-da-80bpm.22050"]
)
def test_loudness_and_peak_hold_together(voices, name):
    y, sr = load_audio(voices / f"sources/singing/{name}.wav")
    y, _ = finish(y, sr=sr)
    assert effects.measure_loudness(y, sr=sr) == pytest.approx(-16, abs=0.5)
    assert true_peak_db(y) < -0.8  # 4 times oversampling reads a little too low


def test_loudness_lost_to_the_limiter_is_given_back(voices):
    speech, sr = load_audio(sorted((voices / "targets/ljspeech_en_f/refs").iterdir())[0])
    y, _ = finish(speech, sr=sr, lufs=-13)
    assert effects.measure_loudness(y, sr=sr) == pytest.approx(-13, abs=0.3)


def test_short_clips_have_a_loudness_too():
    y, _ = finish(0.01 * librosa.tone(440, sr=SR, length=SR // 10), sr=SR, fade_in=None, fade_out=None)
    assert effects.measure_loudness(y, sr=SR) == pytest.approx(-16, abs=0.5)


def test_noise_reduction_helps_noisy_and_spares_clean(voices):
    clean, _ = load_audio(sorted((voices / "targets/ljspeech_en_f/refs").iterdir())[0], sr=SR)
    noise = np.random.default_rng(0).standard_normal(len(clean)).astype(np.float32)
    noisy = clean + noise * np.sqrt(np.mean(clean**2) / np.mean(noise**2) / 10)  # 10 dB
    assert snr(clean, effects.reduce_noise(noisy, sr=SR)) > 12
    assert snr(clean, effects.reduce_noise(clean, sr=SR)) > 25


def test_noise_reduction_takes_no_held_note_for_noise():
    note = librosa.tone(440, sr=SR, length=2 * SR)
    assert np.array_equal(effects.reduce_noise(note, sr=SR, strength=1), note)


def test_noise_reduction_keeps_the_length(sing):
    y = np.resize(sing(5), 650_001)  # longer than the package's own chunks
    assert effects.reduce_noise(y, sr=SR).shape == y.shape
    assert effects.reduce_noise(y[:100], sr=SR).shape == (100,)


def test_low_cut_takes_rumble_only():
    rumble, tone = librosa.tone(20, sr=SR, length=2 * SR), librosa.tone(200, sr=SR, length=2 * SR)
    middle = slice(SR // 2, -SR // 2)
    cut = lambda y: finish(y, sr=SR, **BARE | {"low_cut": 60})[0][middle].std() / y[middle].std()  # noqa: E731
    assert cut(rumble) < 0.03 and cut(tone) == pytest.approx(1, abs=0.02)


def test_fades_start_and_end_in_silence(song):
    y, _ = finish(song, sr=SR, fade_in=0.5, fade_out=2)
    assert y[0] == 0 and y[-1] == 0
    assert np.abs(y[: SR // 20]).max() < 0.05 * np.abs(y).max()
    assert effects.measure_loudness(y, sr=SR) == pytest.approx(-16, abs=0.5)


# the chain


def test_every_effect_can_be_left_out(song):
    y, sr = finish(song, sr=SR, **BARE)
    assert sr == SR and np.array_equal(y, song)
    y, _ = finish(song, sr=SR, **dict.fromkeys(BARE, False))
    assert np.array_equal(y, song)


def test_the_voice_is_not_moved_in_time(song):
    y, _ = finish(song, sr=SR)
    assert y.shape == song.shape and y.dtype == np.float32
    assert lag(y, song) == 0


def test_mix_is_aligned_to_the_sample(song):
    noise = 0.1 * np.random.default_rng(0).standard_normal(20 * 44100).astype(np.float32)
    y, sr = finish(song, sr=SR, backing=(noise, 44100), **BARE)
    assert sr == 44100 and y.shape == (2, len(noise))
    voice = librosa.resample(song, orig_sr=SR, target_sr=44100)
    assert lag(y[0], voice) == 0 and lag(y[0], noise) == 0
    assert np.abs(y[0, len(voice) + 100 :] - noise[len(voice) + 100 :]).max() < 1e-6  # the backing goes on alone


def test_mix_with_a_backing_of_lower_rate_and_a_longer_voice(song):
    y, sr = finish(song, sr=SR, backing=(librosa.tone(200, sr=8000, length=8000), 8000), **BARE)
    assert sr == SR and y.shape == (2, len(song))


@pytest.mark.parametrize("balance_db", [-3, 2, 10])
def test_balance_is_loudness_over_the_backing(song, balance_db):
    backing = 0.05 * np.random.default_rng(0).standard_normal((2, len(song))).astype(np.float32)
    y, _ = finish(song, sr=SR, backing=(backing, SR), balance_db=balance_db, **BARE)
    apart = effects.measure_loudness(y - backing, sr=SR) - effects.measure_loudness(backing, sr=SR)
    assert apart == pytest.approx(balance_db, abs=0.1)


def test_backing_from_a_stereo_file_keeps_its_sides(song, tmp_path):
    left = 0.2 * librosa.tone(300, sr=SR, length=len(song))
    path = save_audio(tmp_path / "Begleitung ä.wav", np.stack([left, 0 * left]), SR)
    y, _ = finish(song, sr=SR, backing=path, **BARE)
    assert np.allclose(y[0] - y[1], left, atol=1e-3)  # 16-bit steps; the voice stands in the middle


def test_finished_mix_holds_loudness_and_peak(song):
    backing = np.random.default_rng(0).standard_normal((2, len(song)))
    y, _ = finish(song, sr=SR, backing=(0.2 * backing, SR))
    assert effects.measure_loudness(y, sr=SR) == pytest.approx(-16, abs=0.5)
    assert true_peak_db(y) < -0.8  # 4 times oversampling reads a little too low


TONE = 0.1 * librosa.tone(440, sr=SR, length=SR)


@pytest.mark.parametrize(
    "y, options, says",
    [
        (0 * TONE, {}, "silent"),
        (1e-6 * TONE, {}, "silent"),
        (TONE[:0], {}, "silent"),
        (np.append(TONE, np.nan), {}, "NaN"),
        (np.append(TONE, np.inf), {}, "NaN or infinity"),
        (np.stack([TONE, TONE]), {}, "shape"),
        (TONE, {"backing": (0 * TONE, SR)}, "backing track is silent"),
        (TONE, {"backing": (np.tile(TONE, (6, 1)), SR)}, "shape"),
        (TONE, {"backing": "no-such-file.wav"}, "no-such-file.wav"),
        (TONE, {"lufs": 0}, "lufs=0"),
        (TONE, {"ceiling": 3}, "ceiling=3"),
        (TONE, {"noise_reduction": 2}, "noise_reduction=2"),
        (TONE, {"low_cut": 5}, "low_cut=5"),
        (TONE, {"fade_out": -1}, "fade_out=-1"),
    ],
)
def test_bad_input_gets_one_sentence(y, options, says):
    with pytest.raises(InputError, match=says) as caught:
        finish(y, sr=SR, **options)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_a_track_made_of_a_take_is_dated_anew(tmp_path, song):
    take = export(tmp_path / "take.wav", song, SR, about={"voice": "anna", "model_sha256": "abc"})
    said = {**read_provenance(take), "date": "2020-01-01T00:00:00+00:00"}
    cover = read_provenance(export(tmp_path / "cover.wav", song, SR, about={**said, "finishing": {"lufs": -16}}))
    assert list(cover)[0] == "synthetic" and cover["date"] > said["date"] and cover["model_sha256"] == "abc" and cover["finishing"] == {"lufs": -16}
