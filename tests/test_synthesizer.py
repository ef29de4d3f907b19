"""The pulse train and the filters: pitch, phase, band limit, level."""
import numpy as np
import pytest

from vcutils.dsp.synthesizer import minimum_phase, pulse_train

SR, HOP = 16000, 160


def test_pulses_come_once_a_period():
    pulses, _ = pulse_train(np.full(101, 200.0), sr=SR, hop_length=HOP)
    peaks = np.flatnonzero(pulses > 0.7 * pulses.max())
    assert set(np.diff(peaks)) == {80}


def test_pitch_glides_between_frames():
    """Phase is the integral of a straight line from frame to frame, not of a staircase."""
    f0 = np.array([100.0, 200.0, 400.0, 200.0])
    pulses, phase = pulse_train(f0, sr=SR, hop_length=HOP)
    t = np.arange(3 * HOP) / HOP
    cycles = np.concatenate([[0], np.cumsum(np.interp(t, np.arange(4), f0) / SR)])
    assert phase == pytest.approx(cycles[-1] % 1, abs=1e-9)
    expected = np.flatnonzero(np.diff(np.floor(cycles + 1e-9)) > 0) + 1
    for at in expected[expected < len(pulses) - 2]:
        assert pulses[at - 2 : at + 3].max() > 0.35 * pulses.max()  # a pulse between two samples is lower


def test_phase_runs_on_from_call_to_call():
    f0 = 150 + 50 * np.sin(np.arange(2501) / 20)
    whole, _ = pulse_train(f0, sr=SR, hop_length=HOP)
    first, phase = pulse_train(f0[:1201], sr=SR, hop_length=HOP)
    second, _ = pulse_train(f0[1200:], sr=SR, hop_length=HOP, phase=phase)
    np.testing.assert_allclose(np.concatenate([first, second]), whole, atol=2e-3)  # float32 of values up to 12


@pytest.mark.parametrize("hz", [90.0, 437.0, 1000.0])
def test_only_harmonics_all_equally_strong(hz):
    pulses, _ = pulse_train(np.full(201, hz), sr=SR, hop_length=HOP)
    window = np.blackman(len(pulses))
    spectrum = np.abs(np.fft.rfft(pulses * window))
    frequency = np.fft.rfftfreq(len(pulses), 1 / SR)
    off = np.abs((frequency + hz / 2) % hz - hz / 2)
    teeth = [spectrum[np.abs(frequency - k * hz) < 3].max() for k in range(1, int(SR / 2 / hz) - 1)]
    assert 20 * np.log10(max(teeth) / min(teeth)) < 1
    between = spectrum[(off > 0.3 * hz) & (frequency > hz)]
    assert 20 * np.log10(between.max() / np.median(teeth)) < -60  # aliases would stand between the teeth


def test_gliding_across_the_band_limit_makes_no_click():
    """Harmonics that pass half the sampling rate fade out: nothing jumps by more than a pulse does."""
    f0 = np.geomspace(300, 900, 301)
    pulses, _ = pulse_train(f0, sr=SR, hop_length=HOP)
    # resampled on a grid of phase, periods look alike from one to the next
    cycles = np.concatenate([[0], np.cumsum(np.interp(np.arange(300 * HOP) / HOP, np.arange(301), f0) / SR)])[:-1]
    trough = np.abs((cycles % 1) - 0.5) < 0.05
    assert np.abs(pulses[trough]).max() < 0.35 * pulses.max()


def test_level_does_not_depend_on_pitch():
    for hz in (80.0, 300.0, 1000.0):
        assert pulse_train(np.full(201, hz), sr=SR, hop_length=HOP)[0].std() == pytest.approx(1.0, rel=0.1)


def test_unvoiced_is_silent():
    f0 = np.concatenate([np.zeros(50), np.full(50, 200.0)])
    pulses, _ = pulse_train(f0, sr=SR, hop_length=HOP)
    assert not pulses[: 49 * HOP].any() and pulses[51 * HOP :].std() > 0.8


def test_minimum_phase_answers_early():
    """Energy of the impulse response lies at its beginning, not around it."""
    frequency = np.linspace(0, np.pi, 513)
    log_amplitude = -0.5 * np.log((frequency - 0.5) ** 2 + 0.01)
    response = np.fft.irfft(np.exp(log_amplitude + 1j * minimum_phase(log_amplitude)))
    assert np.sum(response[:200] ** 2) > 0.99 * np.sum(response**2)


def test_filtering_pulses_gives_the_envelope_that_was_asked_for():
    import vcutils.nn  # noqa: F401
    from vcutils.dsp.features import mel_envelope
    from vcutils.nn.synthesizer import Synthesizer

    synthesizer = Synthesizer(sr=SR, hop_length=HOP, win_length=640, n_fft=1024, n_mels=80)
    asked = np.sin(np.arange(80) / 8).astype(np.float32)
    n = 100
    f0 = np.full(n + 8, 160.0)
    pulses = np.pad(pulse_train(f0, sr=SR, hop_length=HOP)[0], 0)[: (n - 1) * HOP + 1024]
    filters = np.concatenate([np.tile(asked, (1, n, 1)), np.full((1, n, 80), -12)], axis=-1).astype(np.float32)
    y = synthesizer(pulses[None], np.zeros_like(pulses)[None], filters)[0].numpy()
    assert len(y) == (n - 1) * HOP
    mel = mel_envelope(y, np.full(n, 160.0), sr=SR, hop_length=HOP, n_fft=1024, n_mels=80)[20:80].mean(0)
    assert np.sqrt(np.mean((8.69 * (mel - asked)[4:-4]) ** 2)) < 1.5  # dB
