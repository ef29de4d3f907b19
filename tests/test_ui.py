"""Plots and players: what is on them, and that anyone can use them."""
import base64
import io
import re

import librosa
import matplotlib
import numpy as np
import pytest
import soundfile as sf

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from vcutils.dsp.audio import load_audio  # noqa: E402
from vcutils.dsp.effects import measure_loudness  # noqa: E402
from vcutils.dsp.features import Features, analyse  # noqa: E402
from vcutils.errors import InputError  # noqa: E402
from vcutils.ui import plots  # noqa: E402
from vcutils.ui.players import players  # noqa: E402

SR = 16000
TONE = 0.1 * librosa.tone(1000, sr=SR, length=2 * SR)
F0 = np.array([0, 200, 210, 0, 0, 220, 230.0])
CLOUD = np.random.default_rng(0).multivariate_normal([1, 2], [[5, 4], [4, 5]], 3000)

DRAW = {
    "waveform": lambda ax=None: plots.waveform(TONE, sr=SR, ax=ax),
    "spectrogram": lambda ax=None: plots.spectrogram(TONE, sr=SR, ax=ax),
    "f0_contour": lambda ax=None: plots.f0_contour(F0, sr=SR, hop_length=160, label="a", ax=ax),
    "long_term_spectra": lambda ax=None: plots.long_term_spectra({"a": TONE, "b": TONE}, sr=SR, ax=ax),
    "envelopes": lambda ax=None: plots.envelopes({"a": np.zeros(80), "b": np.arange(80)}, sr=SR, ax=ax),
    "history": lambda ax=None: plots.history([dict(step=s, stft=3.0 - s, held_out=3.5 - s) for s in (1, 2)], ax=ax),
    "losses": lambda ax=None: plots.losses({"a": ([1, 2], [3.0, 2.0]), "b": ([1, 2], [3.0, 2.5])}, ax=ax),
    "clouds": lambda ax=None: plots.clouds({"a": CLOUD, "b": CLOUD + 9}, labels=("width (m)", "height (m)"), ax=ax),
}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_plots_draw_where_they_are_told_and_name_their_units(draw):
    fig, ax = draw()
    assert ax.figure is fig
    assert "(" in ax.get_xlabel() and "(" in ax.get_ylabel()  # units stand in brackets
    mine, (left, right) = plt.subplots(1, 2)
    assert draw(ax=right) == (mine, right)
    assert right.has_data() and not left.has_data()


def test_waveform_shows_every_peak():
    y = np.zeros(10 * SR, dtype=np.float32)
    y[12345] = 0.9
    _, ax = plots.waveform(y, sr=SR)
    assert ax.dataLim.y1 == pytest.approx(0.9) and ax.get_xlim()[1] == pytest.approx(10)


def test_spectrogram_shows_a_tone_where_it_is():
    _, ax = plots.spectrogram(TONE, sr=SR)
    picture, (_, _, low, high) = ax.images[0].get_array(), ax.images[0].get_extent()
    row = np.argmax(picture.mean(axis=1))
    assert (low + (high - low) * row / len(picture)) == pytest.approx(1.0, abs=0.02)  # kHz; a bin is 0.016


def test_f0_line_breaks_where_there_is_no_voice():
    _, ax = plots.f0_contour(F0, sr=SR, hop_length=160)
    assert np.array_equal(np.isnan(ax.lines[0].get_ydata()), F0 == 0)
    assert ax.get_yscale() == "log"


def test_f0_lies_on_the_spectrogram():
    fig, ax = plots.spectrogram(TONE, sr=SR)
    plots.f0_contour(np.full(200, 1000.0), sr=SR, hop_length=160, khz=True, ax=ax)
    assert np.allclose(ax.lines[0].get_ydata(), 1.0) and ax.get_ylabel() == "frequency (kHz)"


def strokes(shapes):
    return {str(shape.get_linestyle()) + str(shape._dash_pattern) for shape in shapes}


def test_colour_is_not_the_only_difference():
    _, ax = plots.long_term_spectra({name: TONE for name in "abcde"}, sr=SR)
    assert len(strokes(ax.lines)) == 5
    _, ax = plots.envelopes({name: np.arange(80) for name in "abcde"}, sr=SR)
    assert len(strokes(ax.lines)) == 5
    _, ax = plots.clouds({name: CLOUD for name in "abcde"}, labels=("", ""))
    assert len(strokes(ax.patches)) == len({line.get_marker() for line in ax.lines}) == 5
    assert len({points.get_paths()[0].vertices.tobytes() for points in ax.collections}) == 5  # the points' markers


def test_envelopes_show_decibels_at_their_frequency():
    peak = np.zeros(80)
    peak[np.argmin(np.abs(librosa.mel_frequencies(82, fmax=SR / 2)[1:-1] - 2000))] = np.log(10)  # 20 dB
    _, ax = plots.envelopes({"peak at 2 kHz": peak}, sr=SR)
    curve = ax.lines[0].get_ydata()
    assert np.ptp(curve) == pytest.approx(20) and np.mean(curve) == pytest.approx(0)
    ticks = dict(zip([text.get_text() for text in ax.get_xticklabels()], ax.get_xticks()))
    assert ticks["2"] == pytest.approx(np.argmax(curve), abs=0.5) and "8" not in ticks


def test_clouds_show_mean_and_spread_of_all_points():
    _, ax = plots.clouds({"a": CLOUD}, labels=("", ""))
    (ellipse,) = ax.patches
    assert 200 < len(ax.collections[0].get_offsets()) <= 400
    assert ellipse.center == pytest.approx(CLOUD.mean(axis=0)) and ellipse.angle % 180 == pytest.approx(45, abs=2)
    assert ellipse.width == pytest.approx(4 * 3, rel=0.05) and ellipse.height == pytest.approx(4 * 1, rel=0.05)  # variances 9 and 1
    inside = ellipse.contains_points(ax.transData.transform(CLOUD))
    assert 0.83 < inside.mean() < 0.90  # 1 - exp(-2)


@pytest.mark.parametrize("n_fft, n_mels, sr", [(1024, 80, SR), (4096, 128, 44100)])
def test_features_share_one_time_axis(sing, n_fft, n_mels, sr):
    y = sing(2, sr=sr)
    features = analyse(y, sr=sr, hop_length=sr // 100, n_fft=n_fft, n_mels=n_mels)
    fig, axes = plots.features(features, sr=sr, hop_length=sr // 100)
    fig.canvas.draw()
    assert all(ax.get_xlim() == (0, 2) for ax in axes)
    assert len({tuple(ax.get_position().intervalx.round(6)) for ax in axes}) == 1  # a moment lies on one vertical line
    picture = axes[2].images[0]
    assert picture.get_array().shape == (n_mels, 201) and picture.get_extent()[:2] == pytest.approx((-0.005, 2.005))
    assert axes[3].images[0].get_array().shape == (13, 201)
    assert np.array_equal(np.isnan(axes[4].lines[0].get_ydata()), features.f0 == 0)
    assert np.array_equal(axes[5].lines[0].get_ydata(), features.loudness)


def test_features_of_silence_can_be_drawn():
    n = 101
    silence = Features(np.zeros(16000), np.zeros(n), np.full(n, -100.0), np.full((n, 80), -11.5))
    plots.features(silence, sr=SR, hop_length=160)[0].canvas.draw()


def test_the_map_names_the_six_steps():
    _, ax = plots.course_map()
    assert [text.get_text()[0] for text in ax.texts if text.get_text()[:1].isdigit()] == list("123456")


def decode(row):
    return [sf.read(io.BytesIO(base64.b64decode(data))) for data in re.findall(r'base64,([^"]+)"', row)]


def test_players_are_equally_loud_and_unclipped(voices, sing):
    speech, sr = load_audio(sorted((voices / "targets/kerstin_de_f/refs").iterdir())[0])
    beeps = np.tile(TONE, 2) * (np.arange(4 * SR) % 8000 < 40)  # so rare that as loud as speech they exceed full scale
    row = players({"a": (0.01 * speech, sr), "b": (speech, sr), "c": (sing(4), SR), "beeps": (beeps, SR)})
    sounds = decode(row)
    assert np.ptp([measure_loudness(y.T, sr=sr) for y, sr in sounds[:3]]) < 0.3  # MP3 changes a little
    assert max(np.abs(y).max() for y, _ in sounds) <= 1


def test_players_have_names_and_need_nothing_else():
    row = players({'<b>"mine" & yours</b>': (TONE, SR), "two": (np.stack([TONE, TONE]), SR)})
    assert row.count("<audio controls") == row.count("aria-label=") == row.count("<figcaption>") == 2
    assert "&lt;b&gt;&quot;mine&quot; &amp; yours&lt;/b&gt;" in row and "<b>" not in row
    assert "http" not in row and all(src.startswith("data:") for src in re.findall(r'src="([^"]{5})', row))


@pytest.mark.parametrize("sr", [8000, 22050, 96000])
def test_players_take_any_rate(sr):
    ((y, rate),) = decode(players({"a": (librosa.tone(440, sr=sr, length=sr), sr)}))
    assert len(y) / rate == pytest.approx(1, abs=0.1)  # MP3 has frames of 26 ms


def test_silence_stays_silent():
    hiss = 1e-4 * np.random.default_rng(0).standard_normal(2 * SR)
    (nothing, _), (quiet, _), (tone, _) = decode(players({"silence": (0 * TONE, SR), "hiss": (hiss, SR), "tone": (TONE, SR)}))
    assert np.abs(nothing).max() < 1e-4 and np.abs(quiet).max() < 2e-3 and np.abs(tone).max() > 0.05


@pytest.mark.parametrize("y, says", [(TONE[:0], "no samples"), (TONE * np.nan, "NaN")])
def test_what_cannot_be_played_is_named(y, says):
    with pytest.raises(InputError, match=f"'take 3'.*{says}"):
        players({"take 3": (y, SR)})
