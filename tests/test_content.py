"""Content: the same for two voices that say the same, and retrieval that finds it."""
import numpy as np
import pytest

from vcutils.dsp.audio import load_audio
from vcutils.dsp.content import conditions, content, f0_range, retrieve
from vcutils.dsp.features import analyse, warp_matrix

ANALYSIS = dict(sr=16000, hop_length=160, n_fft=1024, n_mels=80)
SIZES = dict(sr=16000, n_mfcc=24)


@pytest.fixture(scope="module")
def speech(voices):
    y, _ = load_audio(sorted((voices / "targets/ljspeech_en_f/train").iterdir())[0], sr=16000)
    return analyse(y, **ANALYSIS)


def test_normalising_takes_a_fixed_colour_away(speech):
    """Another microphone adds the same curve to every frame; content must not see it."""
    curve = np.sin(np.arange(80) / 9)
    (plain,), (coloured,) = (content(m, speech.loudness, **SIZES) for m in (speech.mel, speech.mel + curve))
    np.testing.assert_allclose(plain, coloured, atol=1e-3)


def test_a_warped_voice_is_normalised_by_its_own_statistics(speech):
    """The short way (matrices) gives what warping every frame and normalising afterwards gives."""
    (short,) = content(speech.mel, speech.loudness, factors=[1.2], **SIZES)
    warped = speech.mel @ warp_matrix(1.2, sr=16000, n_mels=80)
    (long,) = content(warped, speech.loudness, **SIZES)
    np.testing.assert_allclose(short, long, atol=2e-2)  # float32 sums over 80 bands


def test_warping_disguises(speech):
    near, far = content(speech.mel, speech.loudness, factors=[1.02, 1.25], **SIZES) - content(speech.mel, speech.loudness, **SIZES)
    assert np.abs(far).mean() > 2 * np.abs(near).mean() > 0


def test_retrieval_returns_the_mean_of_the_nearest():
    rng = np.random.default_rng(0)
    database = rng.standard_normal((3000, 24)).astype(np.float32)
    query = database[[5, 2000]] + 0.01 * rng.standard_normal((2, 24)).astype(np.float32)
    np.testing.assert_allclose(retrieve(query, database, k=1), database[[5, 2000]])
    distance = np.linalg.norm(query[:, None] - database, axis=2)
    expected = database[np.argsort(distance, axis=1)[:, :4]].mean(axis=1)
    np.testing.assert_allclose(retrieve(query, database, k=4), expected, atol=1e-5)


def test_retrieval_never_meets_its_own_recording():
    database = np.eye(4, dtype=np.float32)
    index = np.arange(4)
    found = retrieve(database.copy(), database, k=1, exclude=(index, index))
    assert not np.any(np.all(found == database, axis=1))


def test_retrieval_from_fewer_frames_than_k():
    database = np.ones((2, 3), np.float32)
    np.testing.assert_allclose(retrieve(np.zeros((5, 3), np.float32), database, k=4), 1.0)


def test_conditions_stop_at_the_end_of_the_known_range():
    told = conditions(np.array([50.0, 200.0, 800.0]), np.full(3, -26.0), target_range=(100.0, 200.0, 400.0))
    np.testing.assert_allclose(told[:, 0], [-1, 0, 1], atol=1e-6)


def test_f0_range_ignores_unvoiced_frames():
    low, middle, high = f0_range(np.concatenate([np.zeros(1000), np.linspace(100, 300, 201)]))
    assert 100 < low < 110 and middle == 200 and 290 < high < 300
