"""From the generator's inputs to filters, and from filters to audio: any length, a piece at a time, without a seam."""
import numpy as np
import tensorflow as tf

from vcutils.dsp.synthesizer import pulse_train
from vcutils.nn.networks import receptive_field


def predict_filters(generator, inputs, *, config, chunk_frames=1000, on_piece=None):
    """Ask the generator about a whole song.

    With each piece it also gets as many frames before and after as it looks at, so the result does not depend on
    `chunk_frames`.

    Parameters
    ----------
    generator : keras.Model
    inputs : np.ndarray [shape=(n_frames, n_mfcc + 3)]
        Content, then `vcutils.dsp.content.conditions`.
    config : vcutils.config.Config
    chunk_frames : int
        Frames of a piece.
    on_piece : callable, optional
        Called without arguments after each piece.

    Returns
    -------
    np.ndarray [shape=(n_frames, 2 * n_mels)]
        Natural log of the amplitudes: first those of the pulses, then those of the noise.

    Examples
    --------
    >>> from vcutils.config import preset
    >>> from vcutils.nn.trainer import make_generator
    >>> config = preset("smoke")
    >>> predict_filters(make_generator(config), np.zeros((50, config.n_mfcc + 3), np.float32), config=config).shape
    (50, 160)
    """
    context = receptive_field(config.n_blocks)
    padded = np.pad(inputs, ((context, context), (0, 0)), mode="edge")
    out = []
    for start in range(0, len(inputs), chunk_frames):
        piece = tf.constant(padded[None, start : start + chunk_frames + 2 * context])
        out.append(generator(piece, training=False)[0, context:-context].numpy())
        if on_piece:
            on_piece()
    return np.concatenate(out)


def render(synthesizer, filters, f0, *, config, chunk_frames=1000, seed=0, on_piece=None):
    """From filters and pitch to audio.

    Each piece is made with as many frames on both sides as can have an effect on it, and these are cut off again: the
    result is the same, up to rounding, for every `chunk_frames`.

    Parameters
    ----------
    synthesizer : vcutils.nn.synthesizer.Synthesizer
    filters : np.ndarray [shape=(n_frames, 2 * n_mels)]
        As `predict_filters` gives them.
    f0 : np.ndarray [shape=(n_frames,)]
        Hz; 0 where unvoiced.
    config : vcutils.config.Config
    chunk_frames : int
        Frames of a piece.
    seed : int
        Of the noise.
    on_piece : callable, optional
        Called without arguments after each piece.

    Returns
    -------
    np.ndarray [shape=(n_frames * hop_length,)]

    Examples
    --------
    >>> from vcutils.config import preset
    >>> from vcutils.nn.trainer import make_synthesizer
    >>> config = preset("smoke")
    >>> render(make_synthesizer(config), np.full((50, 160), -5.0), np.full(50, 200.0), config=config).shape
    (8000,)
    """
    hop, n_fft = config.hop_length, config.n_fft
    n_frames = len(filters)
    tail = int(np.ceil(n_fft / 2 / hop))  # frames whose filters still ring here
    padded = np.pad(filters, ((tail, tail + 1), (0, 0)), mode="edge").astype(np.float32)
    margin = (tail * hop + n_fft // 2, (tail + 1) * hop + n_fft // 2)
    pulses = np.pad(pulse_train(np.append(f0, f0[-1]), sr=config.sr, hop_length=hop)[0], margin)
    noise = np.random.default_rng(seed).standard_normal(len(pulses), dtype=np.float32)
    out = []
    for start in range(0, n_frames, chunk_frames):
        n = min(chunk_frames, n_frames - start) + 1
        cut = slice(start * hop, start * hop + (n - 1 + 2 * tail) * hop + n_fft)
        y = synthesizer(tf.constant(pulses[None, cut]), tf.constant(noise[None, cut]), tf.constant(padded[None, start : start + n + 2 * tail]))
        out.append(y[0, tail * hop : (tail + n - 1) * hop].numpy())
        if on_piece:
            on_piece()
    return np.concatenate(out)
