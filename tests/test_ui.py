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
from vcutils.errors import InputError  # noqa: E402
from vcutils.ui import plots  # noqa: E402
from vcutils.ui.players import players  # noqa: E402

SR = 16000
TONE = 0.1 * librosa.tone(1000, sr=SR, length=2 * SR)
F0 = np.array([0, 200, 210, 0, 0, 220, 230.0])

DRAW = {
    "waveform": lambda ax=None: plots.waveform(TONE, sr=SR, ax=ax),
    "spectrogram": lambda ax=None: plots.spectrogram(TONE, sr=SR, ax=ax),
    "f0_contour": lambda ax=None: plots.f0_contour(F0, sr=SR, hop_length=160, label="a", ax=ax),
    "long_term_spectra": lambda ax=None: plots.long_term_spectra({"a": TONE, "b": TONE}, sr=SR, ax=ax),
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


def test_colour_is_not_the_only_difference():
    _, ax = plots.long_term_spectra({name: TONE for name in "abcde"}, sr=SR)
    assert len({str(line.get_linestyle()) + str(line._dash_pattern) for line in ax.lines}) == 5


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
