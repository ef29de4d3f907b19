"""The baseline: it runs, it learns, it keeps the length, and it is as bad as it is said to be."""
import subprocess
import sys

import librosa
import numpy as np
import pytest

from vcutils.dsp.audio import load_audio
from vcutils.dsp.f0 import estimate_f0
from vcutils.errors import InputError
from vcutils.recipe import convert_recipe, remix_noise_reduction, train_recipe
from vcutils.results import score

SR = 16000


@pytest.fixture(scope="module")
def target(voices):
    files = sorted((voices / "targets/ljspeech_en_f/train").iterdir())[:10]
    return np.concatenate([load_audio(f, sr=SR)[0] for f in files])


@pytest.fixture(scope="module")
def song(voices):
    return load_audio(voices / "sources/singing/vocadito_10/vocadito_10.wav")


@pytest.fixture(scope="module")
def recipe(target):
    return train_recipe(target, sr=SR, epochs=20, progress=False)


@pytest.mark.integration
def test_it_learns(recipe):
    # 1 is what answering with the mean scores
    assert recipe["loss"][0] > recipe["loss"][-1] and recipe["loss"][-1] < 0.6


@pytest.mark.integration
def test_output_is_as_long_as_the_song_at_its_rate(recipe, song):
    y, sr = song
    y = y[: 3 * sr + 1]  # not a whole number of frames
    out = convert_recipe(recipe, y, sr=sr, n_iter=4)
    assert sr == 44100 and out.shape == y.shape and out.dtype == np.float32
    assert np.isfinite(out).all() and np.abs(out).max() == pytest.approx(0.9)


@pytest.mark.integration
def test_it_moves_the_colour_and_loses_the_pitch(recipe, song, target):
    y = librosa.resample(song[0], orig_sr=song[1], target_sr=SR)
    out = convert_recipe(recipe, y, sr=SR)
    converted, unconverted = score(out, y, target, sr=SR), score(y, y, target, sr=SR)
    assert converted["spectrum_distance_db"] < unconverted["spectrum_distance_db"]
    voiced = [np.mean(estimate_f0(x, sr=SR, hop_length=160) > 0) for x in (out, y)]
    assert voiced[0] < 0.3 * voiced[1]
    # the words' rhythm is still where it was
    loudness = [librosa.feature.rms(y=x, hop_length=160)[0] for x in (out, y)]
    assert np.corrcoef(*loudness)[0, 1] > 0.3


def test_remix_removes_time_and_no_noise():
    y = np.random.default_rng(0).standard_normal(3 * SR).astype(np.float32)
    y[SR : 2 * SR] *= 1e-3
    out = remix_noise_reduction(y)
    assert SR < len(out) < 2.2 * SR
    assert np.isin(out, y).all()  # nothing was changed, only left out


def test_too_little_of_the_target():
    with pytest.raises(InputError, match="five seconds"):
        train_recipe(np.zeros(4 * SR), sr=SR)


def test_importing_does_not_load_tensorflow():
    code = "import sys, vcutils.recipe, vcutils.results, vcutils.postprocess; assert not {'tensorflow', 'keras'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
