"""What the generator is trained on: sound like the recording (STFT), and fool the discriminators (GAN)."""
import tensorflow as tf


def stft_loss(y, target, *, n_ffts=(256, 512, 1024, 2048)):
    """Multi-resolution STFT loss: how far two sounds are apart, seen through several windows.

    Short windows see when, long ones see which pitch. In each, the mean absolute difference of the log-magnitudes
    (soft sounds count) plus the spectral convergence (loud sounds count).

    Parameters
    ----------
    y, target : tf.Tensor [shape=(batch, n)]
    n_ffts : sequence of int
        Window lengths in samples; the hop is a quarter.

    Returns
    -------
    tf.Tensor [shape=()]
        0 for equal sounds.

    References
    ----------
    .. [1] R. Yamamoto, E. Song and J.-M. Kim, "Parallel WaveGAN", ICASSP 2020.

    Examples
    --------
    >>> y = tf.random.stateless_normal([1, 4096], [0, 0])
    >>> float(stft_loss(y, y))
    0.0
    """
    total = 0.0
    for n_fft in n_ffts:
        a = tf.abs(tf.signal.stft(y, n_fft, n_fft // 4))
        b = tf.abs(tf.signal.stft(target, n_fft, n_fft // 4))
        log_difference = tf.reduce_mean(tf.abs(tf.math.log(a + 1e-3) - tf.math.log(b + 1e-3)))
        convergence = tf.norm(a - b, axis=[1, 2]) / (tf.norm(b, axis=[1, 2]) + 1e-2)
        total += log_difference + tf.reduce_mean(convergence)
    return total / len(n_ffts)


def discriminator_loss(real, made):
    """Least squares: scores of recordings towards 1, of generated sound towards 0.

    Parameters
    ----------
    real, made : list of tf.Tensor
        Scores, one tensor a discriminator.

    Returns
    -------
    tf.Tensor [shape=()]

    Examples
    --------
    >>> float(discriminator_loss([tf.ones([2, 3, 1])], [tf.zeros([2, 3, 1])]))
    0.0
    """
    return sum(tf.reduce_mean((r - 1) ** 2) for r in real) / len(real) + sum(tf.reduce_mean(m**2) for m in made) / len(made)


def adversarial_loss(made):
    """The generator's side of `discriminator_loss`: its scores towards 1.

    Examples
    --------
    >>> float(adversarial_loss([tf.ones([2, 3, 1])]))
    0.0
    """
    return sum(tf.reduce_mean((m - 1) ** 2) for m in made) / len(made)


def feature_matching_loss(real, made):
    """Distance of what the discriminators see inside recordings and generated sound.

    Parameters
    ----------
    real, made : list of list of tf.Tensor
        For each discriminator its feature maps.

    Returns
    -------
    tf.Tensor [shape=()]

    References
    ----------
    .. [1] K. Kumar et al., "MelGAN", NeurIPS 2019.

    Examples
    --------
    >>> float(feature_matching_loss([[tf.ones([1, 2, 3])]], [[tf.zeros([1, 2, 3])]]))
    1.0
    """
    pairs = [(r, m) for rs, ms in zip(real, made) for r, m in zip(rs, ms)]
    return sum(tf.reduce_mean(tf.abs(tf.stop_gradient(r) - m)) for r, m in pairs) / len(pairs)
