"""Recordings as people have them: with a fan in the room, with echo; and songs far away from the voice."""
import librosa
import numpy as np
import pytest
import scipy.signal

from vcutils.demo import demo_model
from vcutils.dsp import features
from vcutils.dsp.audio import load_audio
from vcutils.dsp.effects import long_term_spectrum
from vcutils.dsp.f0 import estimate_f0
from vcutils.dsp.features import analyse
from vcutils.generate import choose_key, convert
from vcutils.model import load_model

SR, HOP = 16000, 160
ANALYSIS = dict(sr=SR, hop_length=HOP, n_fft=1024, n_mels=80)


def with_fan(y, snr_db=15.0):
    """A laptop's fan beside the voice: a rumbling hiss, and the hum of the blades."""
    rng = np.random.default_rng(0)
    hiss = scipy.signal.lfilter(*scipy.signal.butter(1, 400, fs=SR), 5 * rng.standard_normal(len(y))) + 0.1 * rng.standard_normal(len(y))
    t = np.arange(len(y)) / SR
    fan = hiss + sum(0.3 / k * np.sin(2 * np.pi * 118 * k * t) for k in (1, 2, 3, 4))
    spoken = y[np.abs(y) > 0.05 * np.abs(y).max()]
    return (y + fan * np.sqrt(np.mean(spoken**2) / np.mean(fan**2)) * 10 ** (-snr_db / 20)).astype(np.float32)


def in_room(y, t60=0.4):
    """A room whose echo falls by 60 dB in `t60` seconds, half as strong as the direct sound."""
    n = round(t60 * SR)
    echo = np.random.default_rng(0).standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    echo[: SR // 500] = 0  # the first wall is a third of a metre away
    echo *= np.sqrt(0.5 / np.sum(echo**2))
    echo[0] = 1
    return scipy.signal.fftconvolve(y, echo)[: len(y)].astype(np.float32)


@pytest.fixture(scope="module")
def speech(voices):
    """Seven seconds of a real woman in a quiet room."""
    paths = sorted((voices / "targets/ljspeech_en_f/train").iterdir())[:2]
    return np.concatenate([load_audio(path, sr=SR)[0] for path in paths])[: 7 * SR]


@pytest.fixture(scope="module")
def model():
    return load_model(demo_model())


def test_a_fan_is_not_taken_for_the_voice(speech, monkeypatch):
    """What the generator would learn from a noisy recording is nearer to the clean one than if nothing were done."""
    clean, treated = analyse(speech, **ANALYSIS), analyse(with_fan(speech), **ANALYSIS)
    monkeypatch.setattr(features, "NOISY_DB", -np.inf)
    untreated = analyse(with_fan(speech), **ANALYSIS)
    spoken, pause = clean.loudness > clean.loudness.max() - 20, clean.loudness < clean.loudness.max() - 40
    error = lambda noisy: 8.686 * np.abs(noisy.mel - clean.mel)[spoken].mean()  # noqa: E731  (dB)
    assert error(treated) < 0.85 * error(untreated)  # measured: 6.0 and 7.9 dB
    floor = lambda noisy: np.median(noisy.loudness[pause]) - noisy.loudness.max()  # noqa: E731
    assert floor(treated) < floor(untreated) - 15  # measured: -46 and -24 dB


def test_a_quiet_room_is_left_alone(speech, monkeypatch):
    before = analyse(speech, **ANALYSIS)
    monkeypatch.setattr(features, "NOISY_DB", -np.inf)
    np.testing.assert_array_equal(before.mel, analyse(speech, **ANALYSIS).mel)


@pytest.fixture
def follows(in_tune):
    """Function that checks that a conversion is in tune, sings where its source does, and is neither silent nor clipped."""

    def check(result, source):
        before, after = in_tune(result, source)
        assert ((before > 0) & (after > 0)).sum() > 0.8 * (before > 0).sum()
        assert 0.05 < np.abs(result["y"]).max() < 2.0

    return check


@pytest.mark.parametrize(("spoil", "found"), [(with_fan, 0.9), (in_room, 0.75)])  # echo blurs where a pitch begins and ends
def test_pitch_survives_a_fan_and_a_room(speech, spoil, found):
    clean, spoilt = (estimate_f0(y, sr=SR, hop_length=HOP) for y in (speech, spoil(speech)))
    both = (clean > 0) & (spoilt > 0)
    assert both.sum() > found * (clean > 0).sum()
    assert np.mean(np.abs(1200 * np.log2(spoilt[both] / clean[both])) < 50) > 0.95


@pytest.mark.parametrize("spoil", [with_fan, in_room])
def test_a_spoilt_source_is_still_sung(model, speech, spoil, follows):
    """As in tune as a clean one; the pauses do not hiss; and the voice has the colour that it has for the clean one."""
    source = spoil(speech)
    clean, spoilt = (convert(model, (y, SR)) for y in (speech, source))
    assert abs(clean["key"] - spoilt["key"]) <= 1
    follows(spoilt, source)
    level = librosa.amplitude_to_db(librosa.feature.rms(y=spoilt["y"], frame_length=640, hop_length=HOP)[0], ref=np.max)
    pause = analyse(speech, **ANALYSIS).loudness
    assert np.median(level[: len(pause)][pause < pause.max() - 40]) < -30
    spectra = [long_term_spectrum(y["y"], sr=SR)[1][:60] for y in (clean, spoilt)]
    assert np.sqrt(np.mean((spectra[0] - spectra[1]) ** 2)) < 3  # dB; other people are 5 to 10 apart


FAR = {
    "a man's song, as low as it is": ("sources/singing/vocadito_1/vocadito_1.wav", 0),
    "a man's song, an octave up": ("sources/singing/vocadito_1/vocadito_1.wav", 12),
    "a soprano, as high as she is": ("sources/singing/openair_operatic/singing.wav", 0),
    "a soprano, two octaves down": ("sources/singing/openair_operatic/singing.wav", -24),
    "a song twelve semitones above the voice": ("sources/singing/vocadito_14/vocadito_14.wav", "above"),
    "Mandarin, by an English voice": ("targets/aishell_s0150_zh_f/refs", "auto"),
}


@pytest.mark.parametrize("name", FAR)
def test_far_away_songs(model, voices, name, follows):
    path, key = FAR[name]
    path = voices / path
    path = sorted(path.iterdir())[0] if path.is_dir() else path
    source = load_audio(path, sr=SR)[0][: 8 * SR]
    if key == "above":
        key = choose_key(estimate_f0(source, sr=SR, hop_length=HOP), model.f0_range)[0] + 12
    follows(convert(model, (source, SR), key=key), source)
