"""Audio players as HTML: side by side, equally loud, each with a name."""
import base64
import html
import io

import librosa
import numpy as np
import soundfile as sf

from vcutils.dsp.effects import SILENCE_LUFS, measure_loudness
from vcutils.errors import InputError
from vcutils.files import hold_ctrl_c

# Starting one player pauses the others.
_ALONE = "document.querySelectorAll('audio').forEach(a => { if (a !== this) a.pause() })"


def players(sounds, *, lufs=-20.0):
    """A row of audio players. Louder sounds better, so all are brought to the same loudness.

    Parameters
    ----------
    sounds : dict of str to (np.ndarray [shape=(n,) or (n_channels, n)], int)
        Title to samples and their rate in Hz.
    lufs : float
        Loudness of each, or less if one of them would exceed full scale: then of all alike. Silence stays silent.

    Returns
    -------
    str
        HTML with the sound inside it; show it with ``IPython.display.HTML(players(...))``.

    Raises
    ------
    InputError
        If a sound is empty or not finite.

    Examples
    --------
    >>> row = players({"A, 440 Hz": (librosa.tone(440, sr=16000, length=16000), 16000)})
    >>> 'aria-label="A, 440 Hz"' in row
    True
    """
    matched = _match(sounds, lufs)
    figures = "".join(_player(title, y, sr) for title, (y, sr) in matched.items())
    return f'<div class="players" style="display:flex;flex-wrap:wrap;gap:1em">{figures}</div>'


def _match(sounds, lufs):
    """Equal loudness for all, then one gain for all if the highest peak needs it; lossy coding needs 2 dB of room."""
    matched = {}
    for title, (y, sr) in sounds.items():
        y = np.asarray(y, dtype=np.float32)
        if not y.size or not np.isfinite(y).all():
            raise InputError(f"'{title}' cannot be played: it " + ("holds NaN or infinity." if y.size else "has no samples."))
        loudness = measure_loudness(y, sr=sr)
        gain_db = lufs - loudness if loudness > SILENCE_LUFS else 0
        matched[title] = (y * 10 ** (gain_db / 20), sr)
    peak = max((np.abs(y).max() for y, _ in matched.values()), default=0)
    return {title: (y / max(1.0, peak / 0.8), sr) for title, (y, sr) in matched.items()}


def _player(title, y, sr):
    name = html.escape(title, quote=True)
    return (
        f'<figure style="margin:0;flex:1 1 16em;max-width:24em"><figcaption>{name}</figcaption>'
        f'<audio controls preload="metadata" aria-label="{name}" onplay="{_ALONE}" style="width:100%" '
        f'src="data:audio/mpeg;base64,{base64.b64encode(_encode(y, sr)).decode()}"></audio></figure>'
    )


def _encode(y, sr):
    """As MP3: small, and the one format that every browser plays."""
    if sr not in (16000, 22050, 24000, 32000, 44100, 48000):  # MP3 has these rates, and lower ones that are too dull
        y, sr = librosa.resample(y, orig_sr=sr, target_sr=44100), 44100
    encoded = io.BytesIO()
    with hold_ctrl_c():  # libsndfile calls back into Python, and would take an interrupt there for a fault
        sf.write(encoded, y.T, sr, format="MP3")
    return encoded.getvalue()
