"""Content: what is said, with who says it taken away; and its retrieval from another voice."""
import numpy as np
import scipy.fft

from vcutils.dsp.f0 import fill_f0
from vcutils.dsp.features import sounding, warp_matrix
from vcutils.errors import InputError


def content(mel, loudness, *, sr, n_mfcc, factors=(1.0,)):
    """Speaker-normalised MFCC, as if spoken with one or more vocal-tract lengths.

    Coefficients 1..n_mfcc of the cosine transform of the log-mel envelope, each with mean 0 and variance 1 over the
    frames of the recordings that are not silence. That takes away the average colour of the voice, and leaves what
    changes from sound to sound. Stretching and cosine transform are linear, so each vocal-tract length is one matrix,
    and its mean and variance are known without stretching a single frame.

    Parameters
    ----------
    mel : np.ndarray [shape=(n_frames, n_mels)]
        Of one speaker, as `vcutils.dsp.features.mel_envelope` gives it.
    loudness : np.ndarray [shape=(n_frames,)]
        dB.
    sr, n_mfcc : int
    factors : sequence of float
        Formants are moved to so many times their frequency; 1 leaves them.

    Returns
    -------
    np.ndarray [shape=(n_factors, n_frames, n_mfcc)]

    Examples
    --------
    >>> mel = np.random.default_rng(0).standard_normal((500, 80))
    >>> (said,) = content(mel, np.zeros(500), sr=16000, n_mfcc=24)
    >>> said.shape, bool(np.allclose(said.mean(0), 0, atol=1e-4)), bool(np.allclose(said.std(0), 1, atol=1e-4))
    ((500, 24), True, True)
    """
    active = mel[sounding(loudness)].astype(np.float64)
    mean = active.mean(axis=0)
    covariance = (active - mean).T @ (active - mean) / len(active)
    cosine = scipy.fft.dct(np.eye(mel.shape[1]), axis=1, norm="ortho")[:, 1 : n_mfcc + 1]
    said = []
    for factor in factors:
        matrix = warp_matrix(factor, sr=sr, n_mels=mel.shape[1]) @ cosine
        std = np.sqrt(np.einsum("mk,mn,nk->k", matrix, covariance, matrix) + 1e-6)
        said.append(((mel - mean) @ (matrix / std)).astype(np.float32))
    return np.stack(said)


def retrieve(query, database, *, k=4, exclude=None):
    """Replace each frame by the mean of the `k` most similar frames of another voice.

    Parameters
    ----------
    query : np.ndarray [shape=(n_frames, n_features)]
    database : np.ndarray [shape=(n_database, n_features)]
        Content of the voice to speak with.
    k : int
    exclude : (np.ndarray [shape=(n_frames,)], np.ndarray [shape=(n_database,)]), optional
        Numbers of the stretches of speech that both are from: a frame never meets its own stretch.

    Returns
    -------
    np.ndarray [shape=(n_frames, n_features)]

    References
    ----------
    .. [1] M. Baas, B. van Niekerk and H. Kamper, "Voice Conversion With Just Nearest Neighbors", Interspeech 2023.

    Examples
    --------
    >>> database = np.eye(3, dtype=np.float32)
    >>> retrieve(np.float32([[0.9, 0.1, 0.0]]), database, k=1)
    array([[1., 0., 0.]], dtype=float32)
    """
    k = min(k, len(database))
    energy = np.sum(database**2, axis=1)
    out = np.empty_like(query)
    for start in range(0, len(query), 1024):  # a block at a time keeps the distance matrix small
        block = slice(start, start + 1024)
        distance = energy - 2 * query[block] @ database.T
        if exclude is not None:
            distance[exclude[0][block, None] == exclude[1]] = np.inf
        rows = np.arange(len(distance))
        total = np.zeros_like(query[block])
        for _ in range(k):  # for a few neighbours, taking the least again and again is faster than sorting
            nearest = distance.argmin(axis=1)
            total += database[nearest]
            distance[rows, nearest] = np.inf
        out[block] = total / k
    return out


def f0_range(f0):
    """The pitches a speaker uses: low end, middle and high end.

    Parameters
    ----------
    f0 : np.ndarray [shape=(n_frames,)]
        Hz; 0 where unvoiced, which is left out.

    Returns
    -------
    tuple of float
        2nd, 50th and 98th percentile, Hz.

    Raises
    ------
    InputError
        If no frame is voiced.

    Examples
    --------
    >>> f0_range(np.array([0.0, 100.0, 200.0, 300.0]))[1]
    200.0
    """
    if not (f0 > 0).any():
        raise InputError("No frame of the recording is voiced; give speech or singing with a pitch, not whispering.")
    return tuple(float(v) for v in np.percentile(f0[f0 > 0], [2, 50, 98]))


def conditions(f0, loudness, *, target_range):
    """What the generator is told besides the content: pitch, voicing and loudness.

    A pitch outside the range that the generator was trained on is told as the end of that range: the synthesizer still
    sings it at its true height, with the colour of the nearest pitch that is known.

    Parameters
    ----------
    f0 : np.ndarray [shape=(n_frames,)]
        Hz; 0 where unvoiced.
    loudness : np.ndarray [shape=(n_frames,)]
        dB.
    target_range : (float, float, float)
        `f0_range` of the target voice.

    Returns
    -------
    np.ndarray [shape=(n_frames, 3)]
        All about -1..1.

    Examples
    --------
    >>> conditions(np.array([0.0, 400.0]), np.array([-66.0, -26.0]), target_range=(100.0, 200.0, 400.0)).round(3)
    array([[ 1.,  0., -2.],
           [ 1.,  1.,  0.]], dtype=float32)
    """
    low, middle, high = target_range
    pitch = np.log2(np.clip(fill_f0(f0), low, high) / middle)
    return np.stack([pitch, f0 > 0, (loudness + 26) / 20], axis=1).astype(np.float32)
