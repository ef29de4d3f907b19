"""Envelope, loudness, level and warping, on known sounds and against WORLD."""
import librosa
import numpy as np
import pytest

from vcutils.dsp.audio import load_audio
from vcutils.dsp.f0 import estimate_f0
from vcutils.dsp.features import analyse, highpass, loudness, mel_envelope, set_level, spectral_envelope, warp_matrix
from vcutils.dsp.synthesizer import pulse_train

SR, HOP, N_FFT = 16000, 160, 1024


def vowel(f0, seconds=1.0):
    """Pulses at F0 through two fixed formants."""
    import scipy.signal

    y, _ = pulse_train(np.full(int(seconds * 100) + 1, float(f0)), sr=SR, hop_length=HOP)
    for hz, width in ((700, 130), (1200, 170)):
        r = np.exp(-np.pi * width / SR)
        y = scipy.signal.lfilter([1 - r], [1, -2 * r * np.cos(2 * np.pi * hz / SR), r * r], y)
    return y.astype(np.float32)


@pytest.mark.parametrize("low, high", [(110, 220), (150, 300)])
def test_envelope_does_not_carry_the_pitch(low, high):
    """The same vowel at two pitches: the envelopes agree, the plain mel spectra do not."""
    envelopes, plain = [], []
    for f0 in (low, high):
        y = vowel(f0)
        mel = mel_envelope(y, np.full(101, float(f0)), sr=SR, hop_length=HOP, n_fft=N_FFT, n_mels=80)
        envelopes.append(mel[20:80].mean(0))
        spectrum = librosa.feature.melspectrogram(y=y, sr=SR, n_fft=N_FFT, hop_length=HOP, n_mels=80)
        plain.append(0.5 * np.log(spectrum[:, 20:80].mean(1) + 1e-10))
    band = slice(4, 50)  # up to 3 kHz, where the formants are

    def apart(pair):
        difference = 8.69 * (pair[0] - pair[1])[band]
        return np.std(difference)

    assert apart(envelopes) < 2.5  # dB
    assert apart(envelopes) < 0.6 * apart(plain)


def test_envelope_agrees_with_world(voices):
    """Within 2 dB of CheapTrick on voiced frames: the acceptance figure. The two differ by rounding of windows."""
    pyworld = pytest.importorskip("pyworld", reason="pyworld compiles on installation and is only a reference here")
    speech = [next((voices / "targets" / t / "train").iterdir()) for t in ("ljspeech_en_f", "thorsten_de_m")]
    singing = [voices / "sources/singing" / p for p in ("openair_operatic/singing.wav", "sms_singing-female/singing-female.wav")]
    for path in speech + singing:
        y, _ = load_audio(path, sr=SR)
        y = y[: 8 * SR]
        f0 = estimate_f0(y, sr=SR, hop_length=HOP)
        ours = spectral_envelope(y, f0, sr=SR, hop_length=HOP, n_fft=N_FFT)
        world = pyworld.cheaptrick(y.astype(float), f0, np.arange(len(f0)) * HOP / SR, SR, fft_size=N_FFT)
        level = loudness(y, sr=SR, hop_length=HOP, n_fft=N_FFT)
        frames = (f0 > (400 if path in singing else 0)) & (level > level.max() - 40)
        assert frames.sum() > 50
        distance = np.sqrt(np.mean((10 * np.log10(ours / world)[frames]) ** 2, axis=1))
        assert distance.mean() < 2.0, path


def test_envelope_of_white_noise_is_flat_at_its_variance():
    y = 0.1 * np.random.default_rng(0).standard_normal(4 * SR)
    envelope = spectral_envelope(y, np.zeros(401), sr=SR, hop_length=HOP, n_fft=N_FFT)
    np.testing.assert_allclose(envelope[5:-5].mean(0)[32:-32], 0.01, rtol=0.2)  # below 500 Hz, the F0 assumed for noise, it mirrors


def test_envelope_stays_finite_in_silence_and_at_any_pitch():
    for f0 in (0.0, 20.0, 50.0, 1400.0):
        assert np.isfinite(mel_envelope(np.zeros(SR), np.full(101, f0), sr=SR, hop_length=HOP, n_fft=N_FFT, n_mels=80)).all()


def test_loudness_follows_the_ear():
    tone = {hz: loudness(librosa.tone(hz, sr=SR, length=SR), sr=SR, hop_length=HOP, n_fft=N_FFT)[50] for hz in (100, 1000)}
    assert tone[1000] == pytest.approx(-3.0, abs=0.3)  # a full-scale sine
    assert tone[1000] - tone[100] == pytest.approx(19.1, abs=1.5)  # the A curve at 100 Hz


def test_highpass_removes_offset_and_hum_and_keeps_time():
    voice = vowel(200)
    hum = 0.3 + 0.2 * librosa.tone(20, sr=SR, length=len(voice))
    cleaned = highpass(voice + hum, sr=SR)
    middle = slice(4000, 12000)
    assert np.corrcoef(cleaned[middle], voice[middle])[0, 1] > 0.98


def test_level_is_set_on_what_sounds():
    quiet = np.concatenate([vowel(200) * 0.01, np.zeros(3 * SR, np.float32)])
    y, level = set_level(quiet, sr=SR, hop_length=HOP, n_fft=N_FFT)
    assert level[20:80].mean() == pytest.approx(-26, abs=0.5)
    assert len(y) == len(quiet)


def test_warp_moves_formants():
    mel = mel_envelope(vowel(120), np.full(101, 120.0), sr=SR, hop_length=HOP, n_fft=N_FFT, n_mels=80)[50]
    centres = librosa.mel_frequencies(82, fmax=SR / 2)[1:-1]
    peak = lambda m: centres[m[:50].argmax()]  # noqa: E731
    assert peak(mel @ warp_matrix(1.25, sr=SR, n_mels=80)) / peak(mel) == pytest.approx(1.25, rel=0.06)  # a band is 5 % wide


def test_analyse_gives_one_frame_a_hop():
    features = analyse(vowel(200), sr=SR, hop_length=HOP, n_fft=N_FFT, n_mels=80)
    assert len(features.f0) == len(features.loudness) == len(features.mel) == 101
    assert abs(np.median(features.f0[features.f0 > 0]) - 200) < 2
