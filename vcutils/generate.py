"""Step 4, generate: a recording of a song in, the same song in the cloned voice out."""
import functools
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
from tqdm.auto import tqdm

import vcutils.nn  # noqa: F401  (loads TensorFlow quietly)
from vcutils.dsp.audio import load_audio
from vcutils.dsp.content import conditions, content, f0_range, retrieve
from vcutils.dsp.features import DECIBELS, Features, analyse, sounding, warp_matrix
from vcutils.dsp.features import loudness as loudness_of
from vcutils.errors import InputError
from vcutils.files import sha256
from vcutils.model import VoiceModel, load_model
from vcutils.nn.render import predict_filters, render
from vcutils.nn.trainer import make_generator, make_synthesizer

CLARITY = 0.4  # default: identity against words
THROATS = (0.9, 1.0, 1.1)  # the generator is asked once for each, as if the singer's formants were at so many times their frequency
RETRIEVAL = 0.5  # default strength; changes little, see notebook 4
HEADROOM_DB = 6.0  # a frame may come out this much louder than asked for


@dataclass(frozen=True)
class Song:
    """A recording, taken apart once, to be sung many times.

    Attributes
    ----------
    features : vcutils.dsp.features.Features
    n_samples : int
        Length at the model's rate.
    source : dict or None
        Name and SHA-256 of the file it was read from.
    """

    features: Features
    n_samples: int
    source: dict | None = None


def read_song(song, *, config, progress=False):
    """Load a recording of one voice without accompaniment, and take it apart.

    Parameters
    ----------
    song : str, Path or (np.ndarray [shape=(n,)], int)
        A file, or audio with its rate in Hz.
    config : vcutils.config.Config
    progress : bool
        Show a progress bar.

    Returns
    -------
    Song

    Raises
    ------
    InputError
        If it cannot be read, or there is no voice in it.

    Examples
    --------
    >>> from vcutils.config import preset
    >>> read_song((np.zeros(16000, np.float32), 16000), config=preset("quick"))
    Traceback (most recent call last):
    ...
    vcutils.errors.InputError: The song is silent; give a recording in which somebody sings or speaks.
    """
    if isinstance(song, (str, Path)):
        name = str(song)
        y, _ = load_audio(song, sr=config.sr)
        source = {"file": Path(song).name, "sha256": sha256(song)}
    else:
        name, source = "The song", None
        y, sr = song
        y = np.asarray(y, np.float32)
        if y.ndim != 1 or not np.isfinite(y).all():
            raise InputError(f"The song has shape {y.shape} or holds NaN or infinity; give one channel of finite samples.")
        if sr != config.sr:
            y = librosa.resample(y, orig_sr=sr, target_sr=config.sr)
    if len(y) < config.win_length or np.abs(y).max() < 1e-4:
        raise InputError(f"{name} is {'silent' if len(y) >= config.win_length else 'too short'}; give a recording in which somebody sings or speaks.")
    features = analyse(y, **config.analysis, progress=progress)
    if (features.f0 > 0).sum() * config.hop_length < 0.1 * config.sr:
        raise InputError(f"{name} has no voice in it; give a recording in which somebody sings or speaks, without accompaniment.")
    return Song(features, len(y), source)


def choose_key(f0, target_range, *, key="auto"):
    """How far to move a song so that it lies where the target voice is at home.

    Parameters
    ----------
    f0 : np.ndarray [shape=(n_frames,)]
        Of the song, Hz; 0 where unvoiced.
    target_range : (float, float, float)
        `vcutils.dsp.content.f0_range` of the target voice.
    key : {"auto", "octave"} or int
        "auto": whole semitones that bring the middle of the song to the middle of the voice; "octave": the nearest
        whole octaves, so that it still fits its backing; a number: just so many semitones.

    Returns
    -------
    semitones : int or float
    message : str
        One sentence that says what was done.

    Raises
    ------
    InputError
        If `key` is neither.

    Examples
    --------
    >>> choose_key(np.full(100, 110.0), (150.0, 220.0, 300.0), key="auto")[0]
    12
    """
    if key in ("auto", "octave"):
        apart = 12 * np.log2(target_range[1] / f0_range(f0)[1])
        semitones = int(round(apart)) if key == "auto" else 12 * int(round(apart / 12))
        why = f"the middle of the song is {abs(apart):.1f} semitones {'below' if apart > 0 else 'above'} the middle of the voice"
    else:
        semitones = _semitones(key)
        why = "as you asked"
    octaves = f" ({abs(semitones) // 12} octave{'s' if abs(semitones) > 12 else ''})" if semitones and semitones % 12 == 0 else ""
    moved = f"moved {'up' if semitones > 0 else 'down'} by {abs(semitones)} semitones{octaves}" if semitones else "left where it is"
    return semitones, f"Key: {moved}; {why}."


def _semitones(key):
    try:
        semitones = float(key)
    except (TypeError, ValueError):
        semitones = np.nan
    if not abs(semitones) <= 48:
        raise InputError(f"The key '{key}' is neither 'auto', 'octave' nor a number of semitones between -48 and 48.")
    return int(semitones) if semitones == int(semitones) else semitones


def check_knobs(*, key="auto", clarity=CLARITY, retrieval=RETRIEVAL, formant=0.0, loudness=1.0):
    """Refuse what `convert` cannot do, before work is done in vain.

    Parameters
    ----------
    key, clarity, retrieval, formant, loudness
        As in `convert`.

    Raises
    ------
    InputError
        If one is out of range.

    Examples
    --------
    >>> check_knobs(key=-3, clarity=0.6)
    """
    if key not in ("auto", "octave"):
        _semitones(key)
    for name, value, low, high in (("clarity", clarity, 0, 1), ("retrieval", retrieval, 0, 1), ("formant", formant, -12, 12), ("loudness", loudness, 0, 1)):
        if not low <= value <= high:
            raise InputError(f"{name} is {value}; it must be between {low} and {high}.")


def convert(voice, song, *, key="auto", clarity=CLARITY, retrieval=RETRIEVAL, formant=0.0, loudness=1.0, chunk_frames=1000, progress=False):
    """Sing a song in a cloned voice.

    The song's content goes through the generator once for each of `THROATS`, and the mean of the answers, moved towards
    the singer's own envelope by `clarity`, steers the synthesizer at the song's pitch.

    Parameters
    ----------
    voice : vcutils.workspace.Voice or vcutils.model.VoiceModel
    song : str, Path, (np.ndarray [shape=(n,)], int) or Song
        A recording of one voice, of any length. `read_song` once saves time if it is sung again with other settings.
    key : {"auto", "octave"} or float
        See `choose_key`.
    clarity : float
        How far the filters follow the singer's own envelope (see `likest_throat` and `adopt`) instead of the
        generator's answer. 0: most like the target; 1: clearest words, but the target's colour only on average.
    retrieval : float
        0: the source's own content; 1: only means of the target's own frames, which is a little less clear.
    formant : float
        Semitones by which the resonances are moved: up for a smaller body, down for a larger one.
    loudness : float
        1 follows the song's dynamics, 0 evens them out.
    chunk_frames : int
        Frames rendered at once. It changes memory, not the result.
    progress : bool
        Show progress bars.

    Returns
    -------
    dict
        ``y`` (np.ndarray [shape=(n,)], as long as the song to the sample, aligned with it), ``sr``, ``f0`` (np.ndarray
        [shape=(n_frames,)], Hz, as sung), ``key`` (semitones), ``message`` (a sentence on the key), ``about`` (where it
        comes from, for `vcutils.postprocess.export`).

    Raises
    ------
    InputError
        If the voice has not been trained, the song cannot be used, or an option is out of range.

    Examples
    --------
    >>> from vcutils.workspace import open_voice
    >>> convert(open_voice("nobody"), "song.wav")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    vcutils.errors.InputError: The voice 'nobody' has no result ...
    """
    check_knobs(key=key, clarity=clarity, retrieval=retrieval, formant=formant, loudness=loudness)
    model, generator, synthesizer = load_singer(voice)
    config = model.config
    if not isinstance(song, Song):
        song = read_song(song, config=config, progress=progress)
    source = song.features
    semitones, message = choose_key(source.f0, model.f0_range, key=key)
    f0 = source.f0 * 2 ** (semitones / 12)

    level = np.where(source.loudness > -56, -26 + loudness * (source.loudness + 26), source.loudness)
    told = conditions(f0, level, target_range=model.f0_range)
    bar = tqdm(total=(len(THROATS) + 1) * -(-len(f0) // chunk_frames), desc="Singing", unit="piece", disable=not progress)
    work = dict(config=config, chunk_frames=chunk_frames, on_piece=bar.update)

    def answer(said):
        if retrieval:
            said = said + retrieval * (retrieve(said, model.database, k=config.k) - said)
        return predict_filters(generator, np.concatenate([said, told], axis=1), **work)

    said = content(source.mel, source.loudness, sr=config.sr, n_mfcc=config.n_mfcc, factors=THROATS)
    filters = np.mean([answer(throat) for throat in said], axis=0)  # their mistakes differ, so their mean has fewer
    if clarity:
        made, on = total_envelope(filters, f0), sounding(source.loudness)
        mel = source.mel + (level - source.loudness)[:, None] / DECIBELS
        mel = mel @ warp_matrix(likest_throat(mel, made, on, sr=config.sr), sr=config.sr, n_mels=config.n_mels)
        filters = filters + clarity * np.tile(adopt(mel, made, on) - made, 2)
    if formant:
        warp = warp_matrix(2 ** (formant / 12), sr=config.sr, n_mels=config.n_mels)
        filters = np.hstack([half @ warp for half in np.split(filters, 2, axis=1)])
    y = render(synthesizer, filters, f0, **work)
    bar.close()
    y = _no_louder(y, level, config)
    about = {
        "voice": model.about["voice"],
        "consent": model.about["consent"],
        "model_sha256": None if isinstance(voice, VoiceModel) else sha256(voice.model),
        "source": song.source,
        "settings": {"key": semitones, "clarity": clarity, "retrieval": retrieval, "formant": formant, "loudness": loudness},
    }
    return dict(y=y[: song.n_samples], sr=config.sr, f0=f0, key=semitones, message=message, about=about)


def total_envelope(filters, f0):
    """The envelope of what the synthesizer makes of filters: the power of pulses and noise, added.

    Parameters
    ----------
    filters : np.ndarray [shape=(n_frames, 2 * n_mels)]
        Natural log of the amplitudes: first those of the pulses, then those of the noise.
    f0 : np.ndarray [shape=(n_frames,)]
        Hz; 0 where unvoiced, where there are no pulses.

    Returns
    -------
    np.ndarray [shape=(n_frames, n_mels)]
        Natural log of the amplitude.

    Examples
    --------
    >>> filters = np.array([[1.0, 0.0], [1.0, 0.0]])  # one band, two frames
    >>> total_envelope(filters, np.array([220.0, 0.0])).round(2).squeeze()
    array([1.06, 0.  ])
    """
    pulses, noise = np.split(filters, 2, axis=1)
    return np.where((f0 > 0)[:, None], np.logaddexp(2 * pulses, 2 * noise) / 2, noise)


def likest_throat(mel, target, on, *, sr):
    """The factor by which a singer's formants must move to be most like another voice's.

    Parameters
    ----------
    mel, target : np.ndarray [shape=(n_frames, n_mels)]
        Natural log of the amplitude: the singer's, and the other voice's for the same frames.
    on : np.ndarray [shape=(n_frames,)], bool
        Which frames count: those that are not silence.
    sr : int

    Returns
    -------
    float
        For `vcutils.dsp.features.warp_matrix`: above 1 if the other voice has the shorter vocal tract.

    References
    ----------
    .. [1] L. Lee and R. Rose, "Speaker normalization using efficient frequency warping procedures", ICASSP 1996.

    Examples
    --------
    >>> mel = np.cumsum(np.random.default_rng(0).standard_normal((300, 80)), axis=1)  # smooth over frequency, as formants are
    >>> on = np.full(300, True)
    >>> round(likest_throat(mel, mel @ warp_matrix(1.1, sr=16000, n_mels=80), on, sr=16000), 2)
    1.1
    """

    def distance(factor):
        own = adopt(mel @ warp_matrix(factor, sr=sr, n_mels=mel.shape[1]), target, on)
        return np.mean((own - target)[on] ** 2)

    return float(min(np.geomspace(0.8, 1.25, 15), key=distance))


def adopt(mel, target, on):
    """A singer's envelope with the average colour of another voice: the singer's movement around the other voice's mean.

    Parameters
    ----------
    mel, target : np.ndarray [shape=(n_frames, n_mels)]
        Natural log of the amplitude: the singer's, and the other voice's for the same frames.
    on : np.ndarray [shape=(n_frames,)], bool
        Which frames count for the mean and the spread: those that are not silence.

    Returns
    -------
    np.ndarray [shape=(n_frames, n_mels)], float32
        With the mean and the spread of `target` in each band; but a movement grows to at most twice its size, so that a
        note held still does not begin to flutter.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> mel, target, on = rng.standard_normal((500, 80)), 3 + rng.standard_normal((500, 80)) / 2, np.full(500, True)
    >>> own = adopt(mel, target, on)
    >>> bool(np.allclose(own.mean(0), target.mean(0), atol=1e-3)), bool(np.allclose(own.std(0), target.std(0), rtol=1e-2))
    (True, True)
    """
    scale = np.minimum(target[on].std(axis=0) / (mel[on].std(axis=0) + 1e-3), 2)
    return ((mel - mel[on].mean(axis=0)) * scale + target[on].mean(axis=0)).astype(np.float32)


def _no_louder(y, level, config):
    """Turn frames down that came out much louder than they were asked for: hiss in what was a silence."""
    hop = config.hop_length
    excess = loudness_of(y, sr=config.sr, hop_length=hop, n_fft=config.n_fft)[: len(level)] - level - HEADROOM_DB
    gain = librosa.db_to_amplitude(-np.maximum(excess, 0))
    for start in range(0, len(y), 1 << 20):  # some at a time keep memory small
        part = y[start : start + (1 << 20)]
        part *= np.interp((start + np.arange(len(part))) / hop, np.arange(len(gain)), gain)
    return y


def load_singer(voice):
    """A trained voice, ready to sing: its file is read and its networks are built once.

    Parameters
    ----------
    voice : vcutils.workspace.Voice or vcutils.model.VoiceModel

    Returns
    -------
    model : vcutils.model.VoiceModel
    generator : keras.Model
    synthesizer : vcutils.nn.synthesizer.Synthesizer

    Raises
    ------
    InputError
        If the voice has not been trained or its file is damaged.

    Examples
    --------
    >>> from vcutils.workspace import open_voice
    >>> load_singer(open_voice("nobody"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    vcutils.errors.InputError: The voice 'nobody' has no result of step 'train' ...
    """
    if isinstance(voice, VoiceModel):
        return _build(voice)
    voice.require("train")
    return _load_singer(voice.model, voice.model.stat().st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _load_singer(path, modified):
    try:
        return _build(load_model(path))
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is damaged: its weights do not fit its settings; train the voice again.") from error


def _build(model):
    generator = make_generator(model.config)
    generator.set_weights(model.weights)
    return model, generator, make_synthesizer(model.config)

