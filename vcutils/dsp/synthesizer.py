"""The sources of a voice: a pulse at every closing of the vocal folds, and what a filter does to its phase."""
import numpy as np

from vcutils.dsp.f0 import fill_f0


def pulse_train(f0, *, sr, hop_length, phase=0.0):
    """A buzz at the pitch F0: all its harmonics up to half the sampling rate, equally strong, and nothing above.

    The pitch glides from frame to frame and the phase runs through, so there are no steps and no clicks. The highest
    harmonic fades in and out as it comes near half the sampling rate. The sum of cosines has a closed form (the
    Dirichlet kernel), so that 100 harmonics cost as little as one.

    Parameters
    ----------
    f0 : np.ndarray [shape=(n_frames,)]
        Hz; 0 where unvoiced, which gives silence.
    sr, hop_length : int
    phase : float
        Phase of the fundamental at the first sample, in cycles: the second return value of the call before.

    Returns
    -------
    pulses : np.ndarray [shape=((n_frames - 1) * hop_length,)]
        Variance 1 where voiced, so that its spectral density does not depend on F0. Sample 0 is frame 0's centre.
    phase : float
        Phase at the sample after the last, in cycles.

    References
    ----------
    .. [1] J. Engel et al., "DDSP: Differentiable Digital Signal Processing", ICLR 2020.

    Examples
    --------
    >>> pulses, phase = pulse_train(np.full(101, 200.0), sr=16000, hop_length=160)
    >>> pulses.shape, round(float(pulses.std()), 1), round(phase, 6) % 1
    ((16000,), 1.0, 0.0)
    """
    filled, gate = fill_f0(f0), (f0 > 0).astype(float)
    out = []
    for start in range(0, len(f0) - 1, 1000):  # ten seconds at a time keep memory small
        stop = min(start + 1000, len(f0) - 1)
        frame = np.arange(start * hop_length, stop * hop_length) / hop_length
        f, g = (np.interp(frame, np.arange(start, stop + 1), v[start : stop + 1]) for v in (filled, gate))
        g = g * (f < sr / 2)  # a pitch that high cannot be sounded
        cycles = phase + np.concatenate([[0.0], np.cumsum(f / sr)])
        phase = float(cycles[-1] % 1.0)
        out.append((_cosines(2 * np.pi * (cycles[:-1] % 1.0), sr / 2 / f) * 2 * np.sqrt(f / sr) * g).astype(np.float32))
    return np.concatenate(out), phase


def _cosines(theta, harmonics):
    """Sum of cos(k * theta) for k = 1 .. harmonics, of which the last counts by the fraction of `harmonics`."""
    whole = np.floor(harmonics) - 1
    half = np.sin(theta / 2)
    near = np.abs(half) < 1e-6  # at the pulse itself every cosine is 1
    closed = np.sin((whole + 0.5) * theta) / np.where(near, 1.0, 2 * half) - 0.5
    return np.where(near, whole, closed) + np.cos((whole + 1) * theta) * (harmonics - whole - 1)


def minimum_phase(log_amplitude):
    """The phase of the filter that has these amplitudes and answers a pulse as early as it can.

    A vocal tract rings after each pulse, never before it. For such a filter the phase follows from the amplitudes: the
    part of the cepstrum before time zero is folded onto the part after it. This is linear in the log amplitudes, so
    that the phases of a basis serve for all its combinations.

    Parameters
    ----------
    log_amplitude : np.ndarray [shape=(..., 1 + n_fft // 2)]
        Natural log.

    Returns
    -------
    np.ndarray [shape=(..., 1 + n_fft // 2)]
        Radians.

    References
    ----------
    .. [1] A. V. Oppenheim and R. W. Schafer, "Discrete-Time Signal Processing", ch. 13.

    Examples
    --------
    >>> pole = np.fft.rfft([1.0, -0.5], 64)  # 1 - 0.5 z^-1 is minimum-phase already
    >>> bool(np.allclose(minimum_phase(np.log(np.abs(pole))), np.angle(pole), atol=1e-6))
    True
    """
    cepstrum = np.fft.irfft(log_amplitude, axis=-1)
    fold = np.zeros(cepstrum.shape[-1])
    fold[0] = fold[len(fold) // 2] = 1
    fold[1 : len(fold) // 2] = 2
    return np.fft.rfft(cepstrum * fold, axis=-1).imag
