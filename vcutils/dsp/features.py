"""What a voice is made of besides its pitch: loudness, spectral envelope, mel bands, cepstrum."""
from dataclasses import dataclass

import librosa
import numpy as np
import scipy.fft
import scipy.signal
from tqdm.auto import tqdm

from vcutils.dsp.effects import reduce_noise
from vcutils.dsp.f0 import estimate_f0

NOISY_DB = 20.0  # a voice less than this above the noise is freed from it first
DECIBELS = 20 / np.log(10)  # of one neper: envelopes are natural logarithms of amplitudes
SILENCE_DB = -100.0  # what log spectra and loudness are floored at, relative to full scale


def highpass(y, *, sr, cutoff=50.0):
    """Remove rumble and DC offset without moving anything in time.

    Parameters
    ----------
    y : np.ndarray [shape=(..., n)]
    sr : int
    cutoff : float
        Hz; 24 dB per octave (a 2nd-order Butterworth filter, forth and back).

    Returns
    -------
    np.ndarray [shape=(..., n)]

    Examples
    --------
    >>> bool(abs(highpass(np.ones(16000), sr=16000)[8000]) < 1e-3)
    True
    """
    sos = scipy.signal.butter(2, cutoff, "highpass", fs=sr, output="sos")
    return scipy.signal.sosfiltfilt(sos, y, padlen=min(y.shape[-1] - 1, sr // 4)).astype(np.float32)


def loudness(y, *, sr, hop_length, n_fft):
    """A-weighted level, frame by frame: how loud it is to an ear.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
    sr, hop_length, n_fft : int

    Returns
    -------
    np.ndarray [shape=(1 + n // hop_length,)]
        dB relative to a full-scale square wave, at least `SILENCE_DB`.

    References
    ----------
    .. [1] J. Engel et al., "DDSP: Differentiable Digital Signal Processing", ICLR 2020.

    Examples
    --------
    >>> y = librosa.tone(1000, sr=16000, length=16000)
    >>> float(loudness(y, sr=16000, hop_length=160, n_fft=1024)[50].round())
    -3.0
    """
    frequencies = np.maximum(librosa.fft_frequencies(sr=sr, n_fft=n_fft), 1.0)  # A-weighting has no value at 0 Hz
    weights = librosa.db_to_power(librosa.A_weighting(frequencies, min_db=None))
    window = scipy.signal.get_window("hann", n_fft)
    power = [
        2 * weights @ np.abs(np.fft.rfft(frames * window, axis=-1).T) ** 2 / n_fft / np.sum(window**2)
        for frames in _blocks(y, n_fft, hop_length)
    ]
    return librosa.power_to_db(np.concatenate(power), amin=10 ** (SILENCE_DB / 10), top_db=None)


def _blocks(y, n_fft, hop_length, n_frames=2048):
    """Frames of `y` [shape=(n_frames, n_fft)], some thousand at a time to keep memory small."""
    y = np.pad(y, (n_fft // 2, n_fft // 2))
    frames = np.lib.stride_tricks.sliding_window_view(y, n_fft)[::hop_length]
    for start in range(0, len(frames), n_frames):
        yield frames[start : start + n_frames]


def spectral_envelope(y, f0, *, sr, hop_length, n_fft):
    """Power spectrum of the vocal tract, without the harmonics of the pitch.

    A plain spectrum of a voiced sound is a comb with teeth at multiples of F0. Three steps that all scale with F0
    take the comb away and leave its outline: a window three periods long, an average over two thirds of F0, and a
    lifter (a filter on the log spectrum) that is zero at one period. This is the CheapTrick algorithm [1]_.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
    f0 : np.ndarray [shape=(1 + n // hop_length,)]
        Hz; 0 where unvoiced.
    sr, hop_length, n_fft : int
        `n_fft` holds three periods of the lowest F0; lower ones are treated as that one.

    Returns
    -------
    np.ndarray [shape=(n_frames, 1 + n_fft // 2)]
        Power density: white noise of variance 1 gives about 1 everywhere.

    References
    ----------
    .. [1] M. Morise, "CheapTrick, a spectral envelope estimator for high-quality speech synthesis",
       Speech Communication 67, 2015.

    Examples
    --------
    >>> y = np.random.default_rng(0).standard_normal(16000)
    >>> envelope = spectral_envelope(y, np.zeros(101), sr=16000, hop_length=160, n_fft=1024)
    >>> envelope.shape, bool(0.8 < np.median(envelope[10:-10]) < 1.2)
    ((101, 513), True)
    """
    return np.concatenate(list(_envelope_blocks(y, f0, sr, hop_length, n_fft)))


def _envelope_blocks(y, f0, sr, hop_length, n_fft):
    """`spectral_envelope`, some thousand frames at a time."""
    f0 = np.where(f0 > 0, np.maximum(f0, 3 * sr / (n_fft - 3)), 500.0)  # 500 Hz: a short window for unvoiced frames
    done = 0
    for frames in _blocks(y, n_fft, hop_length):
        yield _envelope_block(frames, f0[done : done + len(frames), None], sr, n_fft)
        done += len(frames)


def _envelope_block(frames, f0, sr, n_fft):
    # 1. A Hann window of three periods, unit energy; the mean is removed so that DC does not leak.
    seconds = (np.arange(n_fft) - n_fft // 2) / sr
    window = np.where(np.abs(seconds) <= 1.5 / f0, 0.5 + 0.5 * np.cos(np.pi * seconds * f0 / 1.5), 0.0)
    window /= np.sqrt(np.sum(window**2, axis=1, keepdims=True))
    x = frames * window
    x = x - window * (x.sum(axis=1, keepdims=True) / window.sum(axis=1, keepdims=True))
    power = np.abs(scipy.fft.rfft(x, axis=1, overwrite_x=True)) ** 2

    # 2. Below F0 there is nothing to see; mirror what lies above, so that the outline goes on to 0 Hz.
    df = sr / n_fft
    k = np.arange(n_fft // 2 + 1)
    low = k * df < f0
    power = power + np.where(low, _at(power, np.maximum(f0 / df - k, 0)), 0.0)

    # 3. Average over two thirds of F0: the difference of two points of the running integral.
    margin = int(np.ceil(f0.max() / 3 / df)) + 2
    mirrored = np.pad(power, ((0, 0), (margin, margin)), mode="reflect")
    integral = np.cumsum(mirrored, axis=1)
    half = f0 / 3 / df
    centre = k + margin - 0.5
    smooth = (_at(integral, centre + half) - _at(integral, centre - half)) / (2 * half)

    # 4. On the log spectrum: a lifter that is zero at each period, and one that mends what step 3 flattened.
    quefrency = np.arange(n_fft // 2 + 1) / sr
    lifter = np.sinc(f0 * quefrency) * (1.3 - 0.3 * np.cos(2 * np.pi * f0 * quefrency))
    # The log spectrum is real and even, so its Fourier transform is a cosine transform (DCT-I).
    cepstrum = scipy.fft.idct(np.log(np.maximum(smooth, 1e-12)), type=1, axis=1)
    return np.exp(scipy.fft.dct(cepstrum * lifter, type=1, axis=1))


def _at(values, position):
    """Row by row, the value at a fractional column, linearly interpolated."""
    position = np.broadcast_to(position, (len(values), position.shape[-1])).clip(0, values.shape[1] - 1.001)
    left = position.astype(int)
    a = np.take_along_axis(values, left, axis=1)
    return a + (position - left) * (np.take_along_axis(values, left + 1, axis=1) - a)


def mel_matrices(*, sr, n_fft, n_mels):
    """The two matrices that lead from a linear spectrum to mel bands and back.

    Parameters
    ----------
    sr, n_fft, n_mels : int

    Returns
    -------
    to_mel : np.ndarray [shape=(1 + n_fft // 2, n_mels)]
        Each column averages: a flat spectrum stays flat, at the same level.
    from_mel : np.ndarray [shape=(n_mels, 1 + n_fft // 2)]
        Each bin is interpolated between the centres of the two nearest bands.

    Examples
    --------
    >>> to_mel, from_mel = mel_matrices(sr=16000, n_fft=1024, n_mels=80)
    >>> flat = np.ones(513) @ to_mel @ from_mel
    >>> bool(np.allclose(flat, 1))
    True
    """
    filters = librosa.filters.mel(sr=sr, n_fft=n_fft, n_mels=n_mels, norm=None).T
    centres = librosa.mel_frequencies(n_mels + 2, fmax=sr / 2)[1:-1]
    position = np.interp(librosa.fft_frequencies(sr=sr, n_fft=n_fft), centres, np.arange(n_mels))
    from_mel = np.maximum(0, 1 - np.abs(position - np.arange(n_mels)[:, None]))
    return (filters / filters.sum(axis=0)).astype(np.float32), from_mel.astype(np.float32)


def mel_envelope(y, f0, *, sr, hop_length, n_fft, n_mels, on_block=None):
    """Log of the spectral envelope in mel bands: about 80 numbers a frame instead of 513.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
    f0 : np.ndarray [shape=(n_frames,)]
        Hz; 0 where unvoiced.
    sr, hop_length, n_fft, n_mels : int
    on_block : callable, optional
        Called with the number of frames done, after each some thousand of them.

    Returns
    -------
    np.ndarray [shape=(n_frames, n_mels)]
        Natural log of the amplitude, at least that of `SILENCE_DB`.

    Examples
    --------
    >>> y = np.random.default_rng(0).standard_normal(16000)
    >>> mel_envelope(y, np.zeros(101), sr=16000, hop_length=160, n_fft=1024, n_mels=80).shape
    (101, 80)
    """
    to_mel, _ = mel_matrices(sr=sr, n_fft=n_fft, n_mels=n_mels)
    power = []
    for block in _envelope_blocks(y, f0, sr, hop_length, n_fft):
        power.append(block @ to_mel)
        if on_block:
            on_block(len(block))
    power = np.concatenate(power)
    return (0.5 * np.log(np.maximum(power, 10 ** (SILENCE_DB / 10)))).astype(np.float32)


def warp_matrix(factor, *, sr, n_mels):
    """The matrix that stretches a log-mel envelope along the frequency axis, as another vocal-tract length would.

    Parameters
    ----------
    factor : float
        Formants move to `factor` times their frequency: 1.2 for a shorter vocal tract, 0.8 for a longer one.
    sr, n_mels : int

    Returns
    -------
    np.ndarray [shape=(n_mels, n_mels)]
        ``mel @ matrix`` is the stretched envelope.

    Examples
    --------
    >>> bool(np.allclose(warp_matrix(1.0, sr=16000, n_mels=80), np.eye(80), atol=1e-5))
    True
    """
    centres = librosa.mel_frequencies(n_mels + 2, fmax=sr / 2)[1:-1]
    position = np.interp(centres / factor, centres, np.arange(n_mels))
    return np.maximum(0, 1 - np.abs(position - np.arange(n_mels)[:, None])).astype(np.float32)


def sounding(loudness):
    """Which frames are not silence: those at most 30 dB below the loudest.

    Parameters
    ----------
    loudness : np.ndarray [shape=(n_frames,)]
        dB.

    Returns
    -------
    np.ndarray [shape=(n_frames,)], bool

    Examples
    --------
    >>> sounding(np.array([-20.0, -45.0, -90.0]))
    array([ True,  True, False])
    """
    return loudness > loudness.max() - 30


def frames_at(x, position):
    """Values at fractional frames, each on the straight line between its two neighbours.

    Parameters
    ----------
    x : np.ndarray [shape=(n_frames, ...)]
    position : np.ndarray [shape=(n,)]
        Frames; before the first and after the last, these two are held.

    Returns
    -------
    np.ndarray [shape=(n, ...)]
        At whole frames exactly `x`.

    Examples
    --------
    >>> frames_at(np.array([0.0, 10.0, 30.0]), np.array([1.0, 1.25, 7.0]))
    array([10., 15., 30.])
    """
    position = np.clip(position, 0, len(x) - 1)
    left = position.astype(int)
    right = np.minimum(left + 1, len(x) - 1)
    part = (position - left).astype(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
    return x[left] + part * (x[right] - x[left])


def set_level(y, *, sr, hop_length, n_fft, level=-26.0):
    """Scale a recording so that its sounding frames have a given average loudness.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
    sr, hop_length, n_fft : int
    level : float
        dB, A-weighted.

    Returns
    -------
    y : np.ndarray [shape=(n,)]
    loudness : np.ndarray [shape=(1 + n // hop_length,)]
        Of the scaled recording, dB.

    Examples
    --------
    >>> y, loud = set_level(0.01 * librosa.tone(1000, sr=16000, length=16000), sr=16000, hop_length=160, n_fft=1024)
    >>> float(loud.mean().round())
    -26.0
    """
    loud = loudness(y, sr=sr, hop_length=hop_length, n_fft=n_fft)
    gain = level - loud[sounding(loud)].mean()
    return (y * 10 ** (gain / 20)).astype(np.float32), np.maximum(loud + gain, SILENCE_DB).astype(np.float32)


@dataclass(frozen=True)
class Features:
    """All that the method knows about a recording. Frame `t` is centred on sample ``t * hop_length``.

    Attributes
    ----------
    y : np.ndarray [shape=(n,)]
        High-passed audio at a set level.
    f0 : np.ndarray [shape=(n_frames,)]
        Hz; 0 where unvoiced.
    loudness : np.ndarray [shape=(n_frames,)]
        dB, A-weighted; about -26 dB where the voice sounds.
    mel : np.ndarray [shape=(n_frames, n_mels)]
        Natural log of the amplitude of the spectral envelope.
    """

    y: np.ndarray
    f0: np.ndarray
    loudness: np.ndarray
    mel: np.ndarray

    def cut(self, start, stop, *, hop_length):
        """The frames from `start` up to `stop`, and just the audio that belongs to them."""
        frames = slice(start, stop)
        return Features(self.y[start * hop_length : stop * hop_length], self.f0[frames], self.loudness[frames], self.mel[frames])


def voice_and_noise(y, f0, *, hop_length):
    """How loud the voice is, and how loud the room.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
    f0 : np.ndarray [shape=(1 + n // hop_length,)]
        Hz; 0 where unvoiced.
    hop_length : int

    Returns
    -------
    voice_db : float
        RMS of the voiced frames, dB relative to full scale.
    noise_db : float or None
        RMS of the quietest tenth of the others; None if they last less than 0.3 s at 10 ms a hop, as there is no pause
        to hear the noise in.

    Examples
    --------
    >>> y = np.append(librosa.tone(220, sr=16000, length=16000), 0.01 * np.random.default_rng(0).standard_normal(16000))
    >>> [round(float(level)) for level in voice_and_noise(y, np.repeat([220.0, 0.0], [100, 101]), hop_length=160)]
    [-3, -40]
    """
    rms = librosa.feature.rms(y=y, frame_length=5 * hop_length // 2, hop_length=hop_length)[0]
    voiced_flag = f0 > 0
    voice_db = librosa.amplitude_to_db(np.sqrt(np.mean(rms[voiced_flag] ** 2)), amin=1e-5)
    noise_db = librosa.amplitude_to_db(np.percentile(rms[~voiced_flag], 10), amin=1e-5) if (~voiced_flag).sum() >= 30 else None
    return voice_db, noise_db


def analyse(y, *, sr, hop_length, n_fft, n_mels, f0_method="swift", fmin=50.0, fmax=1400.0, progress=False):
    """Take a recording apart into pitch, loudness and envelope.

    A noisy recording, the voice less than `NOISY_DB` above what sounds in its pauses, is freed from that noise first: a
    network would take it for a part of the voice.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
    sr, hop_length, n_fft, n_mels : int
    f0_method : {"swift", "pyin"}
    fmin, fmax : float
        F0 search range in Hz.
    progress : bool
        Show a progress bar; it stands still while F0 is looked for, which is half of the work.

    Returns
    -------
    Features
        With ``1 + n // hop_length`` frames.

    Examples
    --------
    >>> y = librosa.tone(220, sr=16000, length=16000)
    >>> analyse(y, sr=16000, hop_length=160, n_fft=1024, n_mels=80).mel.shape
    (101, 80)
    """
    bar = tqdm(total=1 + len(y) // hop_length, desc="Analysing", unit="frame", disable=not progress)
    y, loud = set_level(highpass(y, sr=sr), sr=sr, hop_length=hop_length, n_fft=n_fft)
    f0 = estimate_f0(y, sr=sr, hop_length=hop_length, method=f0_method, fmin=fmin, fmax=fmax)
    if (f0 > 0).any():
        voice_db, noise_db = voice_and_noise(y, f0, hop_length=hop_length)
        if noise_db is not None and voice_db - noise_db < NOISY_DB:
            y, loud = set_level(reduce_noise(y, sr=sr, strength=1.0), sr=sr, hop_length=hop_length, n_fft=n_fft)
    mel = mel_envelope(y, f0, sr=sr, hop_length=hop_length, n_fft=n_fft, n_mels=n_mels, on_block=bar.update)
    bar.close()
    return Features(y, f0.astype(np.float32), loud, mel)
