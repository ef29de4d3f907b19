"""From features back to sound: words from the envelope, melody from F0."""
import numpy as np
import pytest

from vcutils.config import preset
from vcutils.dsp.audio import load_audio
from vcutils.dsp.features import analyse, sounding
from vcutils.nn.resynthesis import resynthesise

CONFIG = preset("quick")


@pytest.fixture(scope="module")
def spoken():
    from vcutils.demo import demo_voice

    y, _ = load_audio(demo_voice("slt") / "slt_01.flac", sr=CONFIG.sr)
    return analyse(y, **CONFIG.analysis)


def again(mel, f0):
    y = resynthesise(mel, f0, config=CONFIG)
    assert len(y) == len(mel) * CONFIG.hop_length and y.dtype == np.float32 and np.isfinite(y).all()
    parts = analyse(y, **CONFIG.analysis)
    return parts.cut(0, len(mel), hop_length=CONFIG.hop_length)


def difference(mel, other, active):
    """rms, in dB, apart from the level."""
    return 20 / np.log(10) * np.std((mel - other)[active])


def test_pitch_and_envelope_come_back(spoken):
    parts = again(spoken.mel, spoken.f0)
    both = (parts.f0 > 0) & (spoken.f0 > 0)
    assert both.sum() > 0.9 * np.sum(spoken.f0 > 0)
    assert np.median(np.abs(1200 * np.log2(parts.f0[both] / spoken.f0[both]))) < 10  # cents
    assert difference(parts.mel, spoken.mel, sounding(spoken.loudness)) < 6


def test_another_pitch_leaves_the_envelope_alone(spoken):
    parts = again(spoken.mel, 1.5 * spoken.f0)
    both = (parts.f0 > 0) & (spoken.f0 > 0)
    assert np.median(parts.f0[both] / spoken.f0[both]) == pytest.approx(1.5, rel=0.01)
    assert difference(parts.mel, spoken.mel, sounding(spoken.loudness) & (spoken.f0 > 0)) < 6


def test_without_pitch_it_whispers(spoken):
    parts = again(spoken.mel, 0 * spoken.f0)
    assert np.mean(parts.f0 > 0) < 0.1
    assert difference(parts.mel, spoken.mel, sounding(spoken.loudness)) < 9  # a frame of noise is a rough estimate


def test_the_same_seed_gives_the_same_noise(spoken):
    first, second, other = (resynthesise(spoken.mel, 0 * spoken.f0, config=CONFIG, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, second) and not np.allclose(first, other)
