"""The differentiable source-filter synthesizer: pulses and noise, each through a filter that changes every frame."""
import numpy as np
import tensorflow as tf

from vcutils.dsp.features import mel_matrices
from vcutils.dsp.synthesizer import minimum_phase


class Synthesizer:
    """Filters pulses and noise by log-amplitudes given in mel bands, and adds them up.

    Each frame of the two sources is windowed, transformed, multiplied by its filter, transformed back and
    overlap-added. There is nothing to learn in here; gradients flow through it to whatever made the filters.

    Parameters
    ----------
    sr, hop_length, win_length, n_fft, n_mels : int
        `win_length` is four times `hop_length`, for which Hann windows add up to exactly 2.

    References
    ----------
    .. [1] J. Engel et al., "DDSP: Differentiable Digital Signal Processing", ICLR 2020.

    Examples
    --------
    >>> synthesizer = Synthesizer(sr=16000, hop_length=160, win_length=640, n_fft=1024, n_mels=80)
    >>> noise = tf.random.stateless_normal([1, 9 * 160 + 1024], [0, 0])
    >>> synthesizer(tf.zeros_like(noise), noise, tf.zeros([1, 10, 160])).shape
    TensorShape([1, 1440])
    """

    def __init__(self, *, sr, hop_length, win_length, n_fft, n_mels):
        self.hop_length, self.n_fft = hop_length, n_fft
        _, from_mel = mel_matrices(sr=sr, n_fft=n_fft, n_mels=n_mels)
        self.from_mel = tf.constant(from_mel)
        self.phase = tf.constant(minimum_phase(from_mel).astype(np.float32))
        margin = (n_fft - win_length) // 2
        window = np.pad(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(win_length) / win_length), (margin, n_fft - win_length - margin))
        self.window = tf.constant(window * hop_length * 2 / win_length, tf.float32)

    def __call__(self, pulses, noise, filters):
        """
        Parameters
        ----------
        pulses, noise : tf.Tensor [shape=(batch, (n_frames - 1) * hop_length + n_fft)]
            Both of variance 1. Frame 0 is centred on sample ``n_fft // 2``.
        filters : tf.Tensor [shape=(batch, n_frames, 2 * n_mels)]
            Natural log of the amplitudes: first those of the pulses, then those of the noise.

        Returns
        -------
        tf.Tensor [shape=(batch, (n_frames - 1) * hop_length)]
            Audio from the centre of the first frame to that of the last. The outer ``win_length // 2`` samples lack
            the frames beyond the ends.
        """
        harmonic, breath = tf.split(tf.cast(filters, tf.float32), 2, axis=-1)
        amplitude = tf.exp(tf.matmul(harmonic, self.from_mel))
        phase = tf.matmul(harmonic, self.phase)
        spectrum = self._spectrum(pulses) * tf.complex(amplitude * tf.cos(phase), amplitude * tf.sin(phase))
        hiss = tf.exp(tf.matmul(breath, self.from_mel))
        spectrum += self._spectrum(noise) * tf.complex(hiss, tf.zeros_like(hiss))
        y = tf.signal.overlap_and_add(tf.signal.irfft(spectrum, [self.n_fft]), self.hop_length)
        return y[:, self.n_fft // 2 : self.n_fft // 2 + (filters.shape[1] - 1) * self.hop_length]

    def _spectrum(self, source):
        return tf.signal.rfft(tf.signal.frame(source, self.n_fft, self.hop_length) * self.window)
