"""From features back to sound with nothing learned in between: what do they keep of a voice?"""
import numpy as np

from vcutils.nn.render import render
from vcutils.nn.trainer import make_synthesizer

_SILENT = -20.0  # natural log of an amplitude that nobody hears


def resynthesise(mel, f0, *, config, seed=0):
    """Sound from the envelope and the pitch: pulses where the voice has a pitch, noise where it has none.

    Parameters
    ----------
    mel : np.ndarray [shape=(n_frames, n_mels)]
        Natural log of the amplitude, as `vcutils.dsp.features.mel_envelope` gives it.
    f0 : np.ndarray [shape=(n_frames,)]
        Hz; 0 where unvoiced. With zeros everywhere the voice whispers, with another pitch it speaks higher or lower.
    config : vcutils.config.Config
        The settings that the features were made with.
    seed : int
        Of the noise.

    Returns
    -------
    np.ndarray [shape=(n_frames * hop_length,)], float32

    Examples
    --------
    >>> from vcutils.config import preset
    >>> mel, f0 = np.full((100, 80), -3.0, np.float32), np.full(100, 220.0)
    >>> resynthesise(mel, f0, config=preset("quick")).shape
    (16000,)
    """
    voiced = (f0 > 0)[:, None]
    filters = np.concatenate([np.where(voiced, mel, _SILENT), np.where(voiced, _SILENT, mel)], axis=1).astype(np.float32)
    return render(make_synthesizer(config), filters, f0, config=config, seed=seed)
