"""F0: right on sounds whose pitch is known, and on a recording that people have annotated."""
import numpy as np
import pytest

from vcutils.dsp.audio import load_audio
from vcutils.dsp.f0 import estimate_f0, fill_f0
from vcutils.errors import InputError

SR, HOP = 16000, 160


def sung(f0_per_sample):
    """Twenty harmonics with falling strength."""
    phase = 2 * np.pi * np.cumsum(f0_per_sample) / SR
    return sum(np.sin(k * phase) / k for k in range(1, 21)).astype(np.float32) * 0.2


@pytest.mark.parametrize("method, hz", [("swift", 110), ("swift", 220), ("swift", 880), ("pyin", 220)])
def test_steady_pitch(method, hz):
    f0 = estimate_f0(sung(np.full(SR, float(hz))), sr=SR, hop_length=HOP, method=method)
    assert len(f0) == 101
    assert abs(1200 * np.log2(np.median(f0[f0 > 0]) / hz)) < 20  # cents


def test_glide_is_followed_between_the_estimators_own_frames():
    truth = np.geomspace(150, 300, 2 * SR)
    f0 = estimate_f0(sung(truth), sr=SR, hop_length=HOP)
    frames = np.flatnonzero(f0 > 0)[10:-10]
    cents = 1200 * np.log2(f0[frames] / truth[frames * HOP])
    assert np.percentile(np.abs(cents), 95) < 25
    steps = 1200 * np.diff(np.log2(f0[frames]))
    assert steps.min() > 0  # no staircase: SwiftF0's own frames are 16 ms apart, these 10 ms


def test_silence_noise_and_short_input_are_unvoiced():
    assert not estimate_f0(np.zeros(SR, np.float32), sr=SR, hop_length=HOP).any()
    assert not estimate_f0(np.zeros(100, np.float32), sr=SR, hop_length=HOP).any()
    noise = np.random.default_rng(0).standard_normal(SR).astype(np.float32) * 0.1
    assert (estimate_f0(noise, sr=SR, hop_length=HOP) > 0).mean() < 0.1


def test_level_does_not_matter():
    y = sung(np.full(SR, 220.0))
    loud, soft = (estimate_f0(y * g, sr=SR, hop_length=HOP) for g in (1.0, 1e-3))
    np.testing.assert_allclose(loud, soft, rtol=1e-3)


def test_unknown_method_is_named():
    with pytest.raises(InputError, match="'crepe'.*'swift' or 'pyin'"):
        estimate_f0(np.zeros(SR, np.float32), sr=SR, hop_length=HOP, method="crepe")


def test_fill_bridges_gaps_on_a_log_scale():
    np.testing.assert_allclose(fill_f0(np.array([100.0, 0, 400.0])), [100, 200, 400])
    assert (fill_f0(np.zeros(3)) > 0).all()


def test_singing_against_its_annotation(voices):
    y, _ = load_audio(voices / "sources/singing/vocadito_1/vocadito_1.wav", sr=SR)
    f0 = estimate_f0(y, sr=SR, hop_length=HOP)
    times, truth = np.loadtxt(voices / "annotations/vocadito_1_f0.csv", delimiter=",", usecols=(0, 1)).T
    found = f0[np.minimum(np.round(times * SR / HOP).astype(int), len(f0) - 1)]
    voiced = truth > 0
    right = voiced & (found > 0) & (np.abs(1200 * np.log2(np.where(found > 0, found, 1) / np.where(voiced, truth, 1))) < 50)
    assert right.sum() / voiced.sum() > 0.95  # 0.970 at SwiftF0's own frames
