"""Rendering audio of any length with the generator and the synthesizer, a piece at a time, without a seam."""
import numpy as np
import tensorflow as tf

from vcutils.dsp.synthesizer import pulse_train
from vcutils.nn.networks import receptive_field


def render(generator, synthesizer, inputs, f0, *, config, formant_matrix=None, chunk_frames=1000, seed=0):
    """From the generator's inputs to audio.

    Each piece is made with as many frames on both sides as can have an effect on it, and these are cut off again: the
    result is the same, to rounding, for every `chunk_frames`, and memory does not grow with the length.

    Parameters
    ----------
    generator : keras.Model
    synthesizer : vcutils.nn.synthesizer.Synthesizer
    inputs : np.ndarray [shape=(n_frames, n_mfcc + 3)]
    f0 : np.ndarray [shape=(n_frames,)]
        Hz; 0 where unvoiced.
    config : vcutils.config.Config
    formant_matrix : np.ndarray [shape=(n_mels, n_mels)], optional
        Applied to the filters.
    chunk_frames : int
    seed : int
        Of the noise.

    Returns
    -------
    np.ndarray [shape=(n_frames * hop_length,)]

    Examples
    --------
    >>> from vcutils.config import preset
    >>> from vcutils.nn.trainer import make_generator, make_synthesizer
    >>> config = preset("smoke")
    >>> inputs, f0 = np.zeros((50, config.n_mfcc + 3), np.float32), np.full(50, 200.0)
    >>> render(make_generator(config), make_synthesizer(config), inputs, f0, config=config).shape
    (8000,)
    """
    hop, n_fft = config.hop_length, config.n_fft
    n_frames = len(inputs)
    tail = int(np.ceil(n_fft / 2 / hop))  # frames whose filters still ring here
    context = receptive_field(config.n_blocks) + tail
    padded = np.pad(inputs, ((context, context + 1), (0, 0)), mode="edge")
    margin = (tail * hop + n_fft // 2, (tail + 1) * hop + n_fft // 2)
    pulses = np.pad(pulse_train(np.append(f0, f0[-1]), sr=config.sr, hop_length=hop)[0], margin)
    noise = np.random.default_rng(seed).standard_normal(len(pulses), dtype=np.float32)
    out = []
    for start in range(0, n_frames, chunk_frames):
        n = min(chunk_frames, n_frames - start) + 1
        filters = generator(tf.constant(padded[None, start : start + n + 2 * context]), training=False)
        filters = filters[:, context - tail : context + n + tail]
        if formant_matrix is not None:
            harmonic, breath = tf.split(filters, 2, axis=-1)
            filters = tf.concat([harmonic @ formant_matrix, breath @ formant_matrix], -1)
        cut = slice(start * hop, start * hop + (n - 1 + 2 * tail) * hop + n_fft)
        y = synthesizer(tf.constant(pulses[None, cut]), tf.constant(noise[None, cut]), filters)
        out.append(y[0, tail * hop : (tail + n - 1) * hop].numpy())
    return np.concatenate(out)
