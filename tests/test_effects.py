"""What makes a mix worth playing: each effect measured, and what every style keeps."""
import librosa
import numpy as np
import pytest
import scipy.signal

from vcutils.demo import demo_song
from vcutils.dsp import effects
from vcutils.dsp.audio import load_audio
from vcutils.errors import InputError
from vcutils.postprocess import STYLES, check_settings, finish

SR = 16000
BARE = dict(noise_reduction=None, low_cut=None, fade_in=None, fade_out=None, lufs=None, ceiling=None)
NOISE = 0.1 * np.random.default_rng(0).standard_normal(4 * SR).astype(np.float32)


@pytest.fixture(scope="module")
def song():
    """Twelve seconds of the demo song with a rest before it."""
    return load_audio(demo_song()[0], sr=SR)[0][: 12 * SR]


@pytest.fixture(scope="module")
def backing():
    y, sr = load_audio(demo_song()[1], mono=False)
    return y[:, : 12 * sr], sr


def db(y):
    return 20 * np.log10(np.sqrt(np.mean(np.square(y, dtype=float))))


def band(y, low, high, *, sr=SR):
    sos = scipy.signal.butter(4, (low, min(high, 0.499 * sr)), "bandpass", fs=sr, output="sos")
    return scipy.signal.sosfiltfilt(sos, y)


def lag(a, b):
    """By how many samples `a` comes later than `b`: cross-correlation with all frequencies of equal weight (GCC-PHAT), so that
    neither the period of the voice nor the echo moves its top."""
    n = 2 * max(len(a), len(b))
    cross = np.fft.rfft(a, n) * np.conj(np.fft.rfft(b, n))
    correlation = np.fft.irfft(cross / np.maximum(np.abs(cross), 1e-6 * np.abs(cross).max()))
    top = int(np.argmax(correlation))
    return top if top < n // 2 else top - n


# de-esser


def speech(sr):
    """A second of a vowel (harmonics of 120 Hz that fall by 12 dB an octave), and a second of an "s" (noise from 4.5 kHz)."""
    t = np.arange(sr) / sr
    vowel = sum(np.sin(2 * np.pi * 120 * k * t) / k**2 for k in range(1, int(0.49 * sr / 120)))
    hiss = scipy.signal.sosfilt(scipy.signal.butter(4, 4500, "highpass", fs=sr, output="sos"), np.random.default_rng(0).standard_normal(sr))
    return (0.2 * vowel).astype(np.float32), (0.1 * hiss).astype(np.float32)


@pytest.mark.parametrize("sr", [16000, 22050, 48000])
@pytest.mark.parametrize("depth_db", [3, 8])
def test_deesser_turns_down_the_s_and_leaves_the_vowel(sr, depth_db):
    vowel, hiss = speech(sr)
    y = np.concatenate([vowel, hiss, vowel])
    z = effects.deess(y, sr=sr, depth_db=depth_db)
    inside = slice(sr + sr // 10, 2 * sr - sr // 10)
    # measured inside the band, away from the edges of the filter
    assert db(band(z, 5500, 8500, sr=sr)[inside]) - db(band(y, 5500, 8500, sr=sr)[inside]) == pytest.approx(-depth_db, abs=0.5)
    for part in (slice(0, sr - sr // 10), slice(2 * sr + sr // 10, 3 * sr)):
        for low, high in ((80, 7900), (5000, 7900)):
            assert db(band(z, low, high, sr=sr)[part]) - db(band(y, low, high, sr=sr)[part]) == pytest.approx(0, abs=0.5)


def test_deesser_does_not_mind_the_level_and_delays_nothing():
    y = np.concatenate(speech(SR))
    loud, quiet = (effects.deess(g * y, sr=SR) / g for g in (np.float32(1), np.float32(0.01)))
    assert np.abs(loud - quiet).max() < 1e-4 * np.abs(y).max()
    assert lag(loud, y) == 0


def test_deesser_works_on_real_speech(voices):
    y, sr = load_audio(sorted((voices / "targets/ljspeech_en_f/refs").iterdir())[0])
    z = effects.deess(y, sr=sr, depth_db=6)
    # most of what is above 5 kHz in speech is "s" and its like; below 4 kHz nothing happens
    assert -6.1 < db(band(z, 5500, 8500, sr=sr)) - db(band(y, 5500, 8500, sr=sr)) < -3
    assert db(band(z, 100, 4000, sr=sr)) - db(band(y, 100, 4000, sr=sr)) == pytest.approx(0, abs=0.05)


# compressor and equalizer


@pytest.mark.parametrize("ratio", [1, 2, 4, 10])
def test_compressor_divides_the_range_by_its_ratio(ratio):
    steps = np.repeat([0.8, 0.4, 0.2], SR).astype(np.float32)
    y = steps * librosa.tone(440, sr=SR, length=3 * SR).astype(np.float32)
    z = effects.compress(y, sr=SR, ratio=ratio, threshold_db=-20)
    levels = [db(z[i * SR + SR // 2 : (i + 1) * SR]) for i in range(3)]  # after the gain has settled
    assert np.diff(levels) == pytest.approx([-6.02 / ratio] * 2, abs=0.1)


def test_compressor_leaves_what_is_below_the_threshold_and_follows_the_loudness():
    y = NOISE * np.repeat([1, 0.01], 2 * SR).astype(np.float32)
    z = effects.compress(y, sr=SR, ratio=4)
    assert db(z[3 * SR :]) == pytest.approx(db(y[3 * SR :]), abs=0.01)
    assert db(z[SR : 2 * SR]) < db(y[SR : 2 * SR]) - 1
    assert effects.compress(0.1 * y, sr=SR, ratio=4) == pytest.approx(0.1 * z, abs=1e-5)


@pytest.mark.parametrize(
    "gains, at, expected",
    [
        ({"bass": 6}, (30, 200, 4000), (6, 3, 0)),
        ({"bass": -6}, (30, 200, 4000), (-6, -3, 0)),
        ({"presence": 4}, (100, 3500, 15000), (0, 4, 0)),
        ({"air": 6}, (500, 8000, 18000), (0, 3, 6)),
        ({"bass": 2, "presence": -3, "air": 2}, (30, 3500, 18000), (2, -3, 2)),
    ],
)
def test_equalizer_has_its_gain_at_the_centre_of_each_band(gains, at, expected):
    impulse = np.zeros(48000, dtype=np.float32)
    impulse[24000] = 1
    z = effects.equalize(impulse, sr=48000, **gains)
    response = 20 * np.log10(np.abs(np.fft.rfft(z)))  # a bin is 1 Hz wide
    assert response[list(at)] == pytest.approx(expected, abs=0.35)  # neighbouring bands overlap a little
    assert np.allclose(z[24000 - 2000 : 24000], z[24000 + 2000 : 24000 : -1], atol=2e-5)  # symmetric in time: zero phase


def test_a_band_above_half_the_rate_is_left_out():
    assert effects.equalize(NOISE, sr=SR, air=6) is NOISE
    assert effects.deess(NOISE, sr=8000) is NOISE
    for sr in (8000, 11025):
        y, _ = finish(NOISE, sr=sr, style="pop")
        assert np.isfinite(y).all() and effects.measure_loudness(y, sr=sr) == pytest.approx(-14, abs=0.3)


# space


def test_pan_keeps_the_power():
    for position in np.linspace(-1, 1, 9):
        left, right = effects.pan(NOISE, position)
        assert np.sum(left**2) + np.sum(right**2) == pytest.approx(np.sum(NOISE**2), rel=1e-5)
    assert np.all(np.diff([effects.pan(NOISE, p)[1].std() for p in np.linspace(-1, 1, 9)]) > 0)
    assert not effects.pan(NOISE, -1)[1].any() and np.allclose(*effects.pan(NOISE, 0))


def schroeder(response, low, high, *, sr):
    """Reverberation time from the backward integral of the energy in a band: three times the way from -5 to -25 dB (T20)."""
    sos = scipy.signal.butter(3, (low, high), "bandpass", fs=sr, output="sos")
    decay = 10 * np.log10(np.cumsum(scipy.signal.sosfilt(sos, response)[::-1] ** 2)[::-1] + 1e-30)
    decay -= decay[0]
    return 3 * (np.argmax(decay < -25) - np.argmax(decay < -5)) / sr


@pytest.mark.parametrize("t60", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("sr", [16000, 48000])
def test_room_has_the_reverberation_time_asked_for(t60, sr):
    response = effects.room_response(t60, sr=sr)
    assert effects.measure_t60(response, sr=sr) == pytest.approx(t60, rel=0.1)
    times = {centre: np.mean([schroeder(side, centre / 2**0.5, centre * 2**0.5, sr=sr) for side in response]) for centre in (500, 1000, 5000)}
    assert (times[500] + times[1000]) / 2 == pytest.approx(t60, rel=0.1)
    assert times[5000] < 0.75 * t60  # treble dies sooner


def test_room_is_wide_has_a_pause_first_and_is_always_the_same():
    response = effects.room_response(1.5, sr=SR, predelay=0.03)
    assert not response[:, : int(0.03 * SR)].any() and response[:, int(0.03 * SR) :].any()
    assert np.sum(response**2) == pytest.approx(1, abs=1e-3)
    assert abs(np.corrcoef(response)[0, 1]) < 0.1
    assert np.array_equal(response, effects.room_response(1.5, sr=SR, predelay=0.03))
    assert not np.array_equal(response, effects.room_response(1.5, sr=SR, predelay=0.03, seed=1))


def test_echo_has_the_level_asked_for_and_rings_on():
    wet = effects.reverberate(NOISE, sr=SR, t60=1, level_db=-12)
    assert 10 * np.log10(np.sum(wet**2) / np.sum(NOISE**2)) == pytest.approx(-12, abs=0.5)
    y, _ = finish(NOISE, sr=SR, **BARE, reverb=1.0)
    assert y.shape[0] == 2 and y.shape[1] > len(NOISE) + SR
    assert db(y[:, len(NOISE) : len(NOISE) + SR // 10]) > db(y[:, -SR // 10 :]) + 30


def test_a_long_sound_is_convolved_piece_by_piece_without_a_seam(monkeypatch):
    response = effects.room_response(0.5, sr=SR)[0]
    monkeypatch.setattr(effects, "_BLOCK", 10_007)
    assert effects._convolve(NOISE, response) == pytest.approx(np.convolve(NOISE, response), abs=1e-5)


def test_peaks_and_loudness_do_not_depend_on_the_pieces(monkeypatch):
    y = np.tile(NOISE, 33) * np.repeat(np.linspace(0.01, 1, 33), len(NOISE)).astype(np.float32)  # 132 s: three pieces of loudness
    whole = np.abs(scipy.signal.resample_poly(y, 4, 1)).max()
    monkeypatch.setattr(effects, "_BLOCK", 10_007)
    assert effects.true_peak(y) == 20 * np.log10(whole)
    import pyloudnorm

    assert effects.measure_loudness(y, sr=SR) == pytest.approx(pyloudnorm.Meter(SR).integrated_loudness(y.astype(float)), abs=1e-6)


# ducking


def test_backing_ducks_while_the_voice_sounds_and_comes_back():
    voice = NOISE * np.repeat([0, 1, 0, 1], SR).astype(np.float32)
    gain_db = 20 * np.log10(effects.ducking_gain(voice, sr=SR, depth_db=6))
    for second, expected in enumerate((0, -6, 0, -6)):
        middle = slice(second * SR + 3 * SR // 10, (second + 1) * SR - 3 * SR // 10)  # it moves for a quarter of a second
        assert gain_db[middle] == pytest.approx(expected, abs=0.05)
    assert gain_db[SR] < -5.5 and gain_db[2 * SR - 1] < -5.5  # down when the voice begins, and until it ends
    assert np.abs(np.diff(gain_db)).max() < 6 / (0.05 * SR)  # no faster than 6 dB in 50 ms: no click
    assert gain_db.min() > -6.05 and gain_db.max() < 0.001


def test_ducking_in_a_mix_only_turns_the_backing_down():
    voice = np.sin(2 * np.pi * 300 * np.arange(4 * SR) / SR).astype(np.float32) * np.repeat([0, 1, 0, 1], SR).astype(np.float32)
    plain, ducked = (finish(voice, sr=SR, backing=(NOISE, SR), ducking=depth, **BARE)[0] for depth in (None, 8))
    assert db(band(ducked, 2000, 6000)[0, SR + 4000 : 2 * SR - 4000]) - db(band(plain, 2000, 6000)[0, SR + 4000 : 2 * SR - 4000]) == pytest.approx(-8, abs=0.2)
    assert np.allclose(ducked[:, 2 * SR + 5000 : 3 * SR - 5000], plain[:, 2 * SR + 5000 : 3 * SR - 5000], atol=1e-4)
    tone = lambda y: np.abs(np.fft.rfft(y[0, SR + 4000 : SR + 12000]))[150]  # noqa: E731  300 Hz
    assert tone(ducked) == pytest.approx(tone(plain), rel=0.05)


# layers


def test_layers_have_their_place_their_level_and_their_time():
    lead, left, right = (0.1 * np.random.default_rng(seed).standard_normal(4 * SR).astype(np.float32) for seed in (1, 2, 3))
    y, sr = finish(lead, sr=SR, layers=[(0.3 * left, -1, -6), (5 * right[: 3 * SR], 0.5, -3)], **BARE)
    assert sr == SR and y.shape == (2, 4 * SR)

    def share(channel, voice):
        n = len(voice)
        return channel[:n] @ voice / (voice @ voice)

    # the three are independent noise, so each projection finds one of them; 3 s hold 48,000 samples: an error of 0.5 %
    assert share(y[0], lead) == pytest.approx(0.707, abs=0.02) and share(y[1], lead) == pytest.approx(0.707, abs=0.02)
    assert share(y[0], left) == pytest.approx(0.5, abs=0.02) and share(y[1], left) == pytest.approx(0, abs=0.02)
    angle = 1.5 * np.pi / 4
    assert share(y[0], right[: 3 * SR]) == pytest.approx(0.708 * np.cos(angle), abs=0.02)
    assert share(y[1], right[: 3 * SR]) == pytest.approx(0.708 * np.sin(angle), abs=0.02)
    for channel, voice in ((y[0], lead), (y[0], left), (y[1], right)):
        assert lag(channel, voice) == 0


def test_layers_get_the_effects_of_the_lead_and_their_samples_stay(song):
    before = song.copy()
    settings = BARE | dict(deess=6, compression=3, presence=3)
    (twin, _), (alone, _) = finish(song, sr=SR, layers=[(song, 0.0, 0.0)], **settings), finish(song, sr=SR, **settings)
    assert np.allclose(twin[0], 2 * alone * np.float32(0.5**0.5), atol=1e-5)
    y, _ = finish(song, sr=SR, layers=[(song, 1, -6)], **BARE)
    assert np.array_equal(song, before)
    assert np.allclose(y[1] - y[0], song * 10 ** (-6 / 20), atol=1e-5)  # the lead is in the middle


def test_a_longer_layer_goes_on_over_the_backing(song, backing):
    y, sr = finish(song[: 4 * SR], sr=SR, layers=[(song, 0.5, -3)], backing=(backing[0][:, : 44100 * 2], 44100))
    assert sr == 44100 and y.shape == (2, 12 * 44100) and y[:, -44100:].any()


# styles and settings


def test_plain_is_what_comes_without_a_style(song):
    assert np.array_equal(finish(song, sr=SR)[0], finish(song, sr=SR, style="plain")[0])
    assert finish(song, sr=SR)[0].ndim == 1 and STYLES["plain"]["lufs"] == -16


OPTIONAL = ("deess", "compression", "bass", "presence", "air", "pan", "reverb", "ducking")


def test_none_is_the_same_as_left_out_bit_by_bit(song, backing):
    plain, _ = finish(song, sr=SR, backing=backing)
    for nothing in (None, False):
        assert np.array_equal(finish(song, sr=SR, backing=backing, **dict.fromkeys(OPTIONAL, nothing))[0], plain)
    bypassed, sr = finish(song, sr=SR, style="pop", **BARE | dict.fromkeys(OPTIONAL))
    assert sr == SR and np.array_equal(bypassed, song)


@pytest.mark.parametrize("style", STYLES)
def test_every_style_holds_loudness_and_peak_and_leaves_the_voice_in_its_place(song, backing, style):
    lufs = -16 if style == "plain" else -14
    for parts in ({}, {"backing": backing, "layers": [(song, -0.6, -9), (song, 0.6, -9)]}):
        y, sr = finish(song, sr=SR, style=style, **parts)
        assert effects.measure_loudness(y, sr=sr) == pytest.approx(lufs, abs=0.3)
        assert effects.true_peak(y) < -1 + 0.05
        assert y.ndim == (2 if parts or STYLES[style].get("reverb") else 1) and np.isfinite(y).all()
        voice = librosa.resample(song, orig_sr=SR, target_sr=sr)
        for channel in np.atleast_2d(y):
            assert lag(channel[: len(voice)], voice) == 0
            if parts:
                assert lag(channel[: 12 * sr], backing[0].mean(axis=0)) == 0


def test_styles_differ(song, backing):
    """What is told of each is what it does: room, ducking and colour."""
    tracks = {style: finish(song, sr=SR, style=style)[0] for style in STYLES}
    echo = {style: track.shape[-1] - len(song) for style, track in tracks.items()}
    assert echo["plain"] == echo["speech"] == 0 < echo["pop"] < echo["ballad"] < echo["choir"]
    colour = {style: db(band(track, 2500, 5000)) - db(band(track, 80, 1000)) for style, track in tracks.items()}
    assert min(colour["speech"], colour["pop"]) > colour["plain"] + 2 and colour["choir"] < colour["plain"] - 1


def test_keywords_win_over_the_style():
    y, _ = finish(NOISE, sr=SR, style="ballad", reverb=None, lufs=-20)
    assert y.ndim == 1 and effects.measure_loudness(y, sr=SR) == pytest.approx(-20, abs=0.3)
    settings = check_settings("pop", air=False, balance_db=5)
    assert settings["air"] is None and settings["balance_db"] == 5 and settings["lufs"] == -14 and settings["fade_in"] == 0.01
    for style in STYLES:
        check_settings(style, **STYLES[style])  # each lies in its own ranges


def test_without_a_balance_the_levels_stay():
    y, _ = finish(NOISE, sr=SR, backing=(NOISE, SR), balance_db=None, **BARE)
    assert np.allclose(y, 2 * NOISE)


@pytest.mark.parametrize("n", [1, 5, 100, 1600])
def test_short_sounds_pass_through_every_effect(n):
    y, _ = finish(0.1 + NOISE[:n], sr=SR, style="pop", backing=(0.1 + NOISE[:n], SR))
    assert np.isfinite(y).all()


@pytest.mark.parametrize(
    "options, says",
    [
        ({"style": "rock"}, "no style 'rock'; choose one of plain, pop"),
        ({"revreb": 1}, "did you mean 'reverb'"),
        ({"reverb": 60}, "reverb=60 is out of range; choose 0.1 to 10 s"),
        ({"reverb": "much"}, "reverb=much"),
        ({"reverb_db": 20}, "reverb_db=20"),
        ({"compression": 0.5}, "compression=0.5"),
        ({"deess": -3}, "deess=-3"),
        ({"presence": 40}, "presence=40"),
        ({"pan": 2}, "pan=2"),
        ({"ducking": float("nan")}, "ducking=nan"),
        ({"layers": [NOISE]}, "Layer 1 must be"),
        ({"layers": [(NOISE, 0, 0), (NOISE, 3, 0)]}, "place of layer 2 is 3; choose -1 to 1"),
        ({"layers": [(NOISE, 0, 99)]}, "level of layer 1 is 99"),
        ({"layers": [(0 * NOISE, 0, 0)]}, "Layer 1 is silent"),
        ({"layers": [(np.stack([NOISE, NOISE]), 0, 0)]}, "Layer 1 has shape"),
    ],
)
def test_bad_settings_get_one_sentence(options, says):
    with pytest.raises(InputError, match=says) as caught:
        finish(NOISE, sr=SR, **options)
    assert "\n" not in str(caught.value) and str(caught.value).endswith((".", "?"))
