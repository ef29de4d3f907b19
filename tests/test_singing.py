"""Singing is not speech: long vowels, vibrato, high notes and breaths, sung by the demo voice that comes ready to sing."""
import librosa
import numpy as np
import pytest

from vcutils.demo import demo_model, demo_voice
from vcutils.dsp.audio import load_audio
from vcutils.dsp.f0 import estimate_f0
from vcutils.generate import convert, read_song
from vcutils.model import load_model
from vcutils.nn.resynthesis import resynthesise

SR, HOP = 16000, 160


@pytest.fixture(scope="module")
def model():
    return load_model(demo_model())


@pytest.fixture(scope="module")
def vowel(model):
    """Function that makes a song: somebody says a sentence, then holds a vowel of it along the given pitches."""
    y, _ = load_audio(demo_voice("rms") / "rms_01.flac", sr=SR)
    said = read_song((y, SR), config=model.config).features
    frame = said.mel[np.argmax(np.where(said.f0 > 0, said.loudness, -100))]

    def make(f0):
        mel = np.concatenate([said.mel, np.tile(frame, (len(f0), 1))])
        return resynthesise(mel, np.concatenate([said.f0, f0]), config=model.config)

    return make


def held(y, n_frames):
    """The held vowel at the end of such a song, without its first half second."""
    return y[-(n_frames - 50) * HOP :]


def vibrato(f0):
    """Rate (Hz) and extent (cents to each side) of the pitch of a held note."""
    f0 = f0[50:-50]
    assert (f0 > 0).all()
    cents = 1200 * np.log2(f0 / np.median(f0))
    spectrum = np.abs(np.fft.rfft(cents * np.hanning(len(cents)), 16384)) * 4 / len(cents)
    rates = np.fft.rfftfreq(16384, HOP / SR)
    band = (rates > 3) & (rates < 9)
    return rates[band][spectrum[band].argmax()], spectrum[band].max()


@pytest.mark.parametrize(("rate", "extent", "middle"), [(5.5, 60, 220), (6.5, 100, 330), (4.5, 40, 440)])
def test_vibrato_is_kept(model, vowel, rate, extent, middle):
    f0 = middle * 2 ** (extent / 1200 * np.sin(2 * np.pi * rate * np.arange(400) * HOP / SR))
    result = convert(model, (vowel(f0), SR), key=0)
    before, after = vibrato(f0), vibrato(result["f0"][-len(f0) :])  # the pitch that the synthesizer is given
    assert abs(after[0] / before[0] - 1) < 0.03
    assert abs(after[1] / before[1] - 1) < 0.10
    heard = estimate_f0(result["y"], sr=SR, hop_length=HOP)[-len(f0) :][50:-50]  # and what comes out of it
    assert np.median(np.abs(1200 * np.log2(heard / result["f0"][-len(f0) :][50:-50]))) < 10


def flutter(y, model):
    """How much the level wavers, dB: the standard deviation over time of each of the lower 60 mel bands, their mean."""
    mel = read_song((y, SR), config=model.config).features.mel[20:-20, :60]
    return 8.686 * mel.std(axis=0).mean()


@pytest.mark.parametrize("middle", [150, 220, 330, 440, 600])
def test_held_notes_do_not_flutter(model, vowel, middle):
    """Whoever sings, and however clear: the breath in a voice wavers by about 1 dB as seen here, and nothing is added to it."""
    song = vowel(np.full(300, float(middle)))
    for clarity in (0.0, 0.4, 1.0):
        assert flutter(held(convert(model, (song, SR), key=0, clarity=clarity)["y"], 300), model) < 1.5


@pytest.mark.parametrize("middle", [500, 700, 900])
def test_high_notes_do_not_buzz(model, vowel, middle):
    """Between two harmonics of a high note there is little: 20 dB less than on them."""
    y = convert(model, (vowel(np.full(300, float(middle))), SR), key=0)["y"][-2 * SR : -SR]
    power = np.abs(np.fft.rfft(y * np.hanning(len(y)))) ** 2
    near = lambda f: power[int(f) - 8 : int(f) + 9].sum()  # noqa: E731  (one bin is 1 Hz)
    on = sum(near(middle * k) for k in range(1, 5))
    between = sum(near(middle * (k + 0.5)) for k in range(1, 5))
    assert 10 * np.log10(between / on) < -20


def test_real_songs_keep_their_tune_and_their_breaths(model, voices, in_tune):
    """No octave jumps, in tune, and what had no pitch has none afterwards."""
    for path in sorted((voices / "sources/singing").rglob("*.wav")):
        source, _ = load_audio(path, sr=SR)
        before, after = in_tune(convert(model, path), source)
        loud = librosa.feature.rms(y=source, frame_length=640, hop_length=HOP)[0][: len(before)] > 0.01 * np.abs(source).max()
        assert np.mean((before == 0)[loud] & (after > 0)[loud]) < 0.08, path.name
