"""The generator and the discriminators, as Keras models to read top to bottom."""
import keras
import librosa
import tensorflow as tf
from keras import layers


def convnext_block(x, *, kernel_size=7):
    """One ConvNeXt block in one dimension: look around in time, channel by channel; then think, frame by frame.

    Parameters
    ----------
    x : KerasTensor [shape=(batch, n_frames, width)]
    kernel_size : int
        Frames; 7 frames of 10 ms see 30 ms to each side.

    Returns
    -------
    KerasTensor [shape=(batch, n_frames, width)]
        The input plus a correction, which is zero before training.

    References
    ----------
    .. [1] Z. Liu et al., "A ConvNet for the 2020s", CVPR 2022.

    Examples
    --------
    >>> convnext_block(keras.Input((100, 16))).shape
    (None, 100, 16)
    """
    width = x.shape[-1]
    h = layers.DepthwiseConv1D(kernel_size, padding="same")(x)
    h = layers.LayerNormalization(epsilon=1e-6)(h)
    h = layers.Dense(2 * width, activation="gelu")(h)
    h = layers.Dense(width, kernel_initializer="zeros")(h)
    return layers.Add()([x, h])


def build_generator(*, n_inputs, n_outputs, width, n_blocks):
    """The generator: content, pitch and loudness of each frame in; the synthesizer's filters out.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Numbers a frame.
    width, n_blocks : int

    Returns
    -------
    keras.Model
        (batch, n_frames, n_inputs) to (batch, n_frames, n_outputs). It starts out by giving zeros.

    Examples
    --------
    >>> build_generator(n_inputs=27, n_outputs=160, width=32, n_blocks=2).output_shape
    (None, None, 160)
    """
    x = inputs = keras.Input((None, n_inputs))
    x = layers.Conv1D(width, 3, padding="same")(x)
    for _ in range(n_blocks):
        x = convnext_block(x)
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    return keras.Model(inputs, layers.Dense(n_outputs, kernel_initializer="zeros", dtype="float32")(x), name="generator")


def receptive_field(n_blocks, *, kernel_size=7):
    """Frames to each side that the generator sees.

    Examples
    --------
    >>> receptive_field(5)
    16
    """
    return 1 + n_blocks * (kernel_size // 2)


class LogMel:
    """Log-mel spectrogram of a batch of audio, for the discriminators.

    Parameters
    ----------
    sr, n_fft, n_mels : int
        The hop is a quarter of `n_fft`.

    Examples
    --------
    >>> LogMel(sr=16000, n_fft=512, n_mels=64)(tf.zeros([1, 16000])).shape
    TensorShape([1, 122, 64])
    """

    def __init__(self, *, sr, n_fft, n_mels):
        self.n_fft = n_fft
        self.to_mel = tf.constant(librosa.filters.mel(sr=sr, n_fft=n_fft, n_mels=n_mels).T)

    def __call__(self, y):
        """(batch, n) to (batch, n_frames, n_mels), about -1..1 for speech."""
        magnitude = tf.abs(tf.signal.stft(y, self.n_fft, self.n_fft // 4))
        return tf.math.log(tf.matmul(magnitude, self.to_mel) + 1e-4) * 0.25 + 0.75


def build_discriminator(*, n_mels, width, n_layers=4):
    """One discriminator: is this log-mel spectrogram from a recording, or made by the generator?

    It judges every moment by itself, from what it sees around it (PatchGAN). Its layers are plain 1-D convolutions:
    on a CPU several times faster than 2-D ones over a full spectrogram.

    Parameters
    ----------
    n_mels, width, n_layers : int

    Returns
    -------
    keras.Model
        (batch, n_frames, n_mels) to a list of `n_layers` feature maps and, last, the scores
        (batch, n_frames, 1): towards 1 for real, towards 0 for made.

    References
    ----------
    .. [1] X. Mao et al., "Least Squares Generative Adversarial Networks", ICCV 2017.
    .. [2] K. Kumar et al., "MelGAN: Generative Adversarial Networks for Conditional Waveform Synthesis", NeurIPS 2019.

    Examples
    --------
    >>> len(build_discriminator(n_mels=64, width=16).outputs)
    5
    """
    x = inputs = keras.Input((None, n_mels))
    outputs = []
    for i in range(n_layers):
        x = layers.Conv1D(width, 5 if i else 3, padding="same", dilation_rate=1 if i < 2 else 2)(x)
        x = layers.LeakyReLU(0.2)(x)
        outputs.append(x)
    outputs.append(layers.Conv1D(1, 3, padding="same", dtype="float32")(x))
    return keras.Model(inputs, outputs, name=f"discriminator_{n_mels}")
