"""Step 2, preprocess: recordings in, features out, kept on disk so that nothing is computed twice."""
import librosa
import numpy as np
from tqdm.auto import tqdm

from vcutils.collect import load_manifest, verify_recordings
from vcutils.dsp.audio import load_audio
from vcutils.dsp.features import Features, analyse
from vcutils.errors import InputError
from vcutils.files import DAMAGED, atomic_path, read_json, remove_leftovers, write_json

MIN_SECONDS = 5.0  # less speech than this and there is nothing to hold out


def slice_at_silences(y, *, sr, hop_length, top_db=40.0, max_silence=0.4, min_seconds=0.6, max_seconds=12.0):
    """Find the stretches that sound, cut where the silence is longer than a breath.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
    sr, hop_length : int
    top_db : float
        Frames this far below the loudest are silence.
    max_silence : float
        Seconds; shorter pauses stay inside a slice. (A tenth of a second at each end of a pause counts as sound.)
    min_seconds, max_seconds : float
        Shorter slices are dropped, longer ones cut into equal parts.

    Returns
    -------
    list of (int, int)
        First frame, and the frame after the last, of each slice.

    Examples
    --------
    >>> tone = librosa.tone(220, sr=16000, length=16000)
    >>> y = np.concatenate([tone, np.zeros(16000), tone])
    >>> len(slice_at_silences(y, sr=16000, hop_length=160))
    2
    """
    margin = round(0.1 * sr / hop_length)
    last = len(y) // hop_length
    slices = []
    for start, end in librosa.effects.split(y, top_db=top_db, frame_length=4 * hop_length, hop_length=hop_length) // hop_length:
        start, end = max(0, start - margin), min(last, end + margin)
        if slices and start - slices[-1][1] < max_silence * sr / hop_length:
            slices[-1] = (slices[-1][0], end)
        else:
            slices.append((start, end))
    cut = []
    for start, end in slices:
        seconds = (end - start) * hop_length / sr
        edges = np.linspace(start, end, 1 + max(1, int(np.ceil(seconds / max_seconds)))).astype(int)
        if seconds >= min_seconds:
            cut += [(int(a), int(b)) for a, b in zip(edges[:-1], edges[1:])]
    return cut


def preprocess(voice, *, config, progress=True):
    """Compute the features of all recordings of a voice, or find them ready.

    Each recording becomes one ``.npz`` in ``voice.features``, named after its SHA-256 and the settings: a second run
    computes nothing, a changed setting or a new recording computes what it needs.

    Parameters
    ----------
    voice : vcutils.workspace.Voice
        With collected recordings.
    config : vcutils.config.Config
    progress : bool
        Show a progress bar.

    Returns
    -------
    dict
        ``slices``, ``seconds``, ``voiced_seconds``, ``computed`` (files not found ready).

    Raises
    ------
    InputError
        If there is no consent record, a recording was changed, or too little of them sounds.

    Examples
    --------
    >>> from vcutils.config import preset
    >>> from vcutils.workspace import open_voice
    >>> preprocess(open_voice("nobody"), config=preset("quick"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    vcutils.errors.InputError: The voice 'nobody' has no result ...
    """
    manifest = verify_recordings(voice)
    remove_leftovers(voice.features)
    names, utterances, computed = [], [], 0
    for entry in tqdm(manifest["files"], desc="Preprocessing", unit="file", disable=not progress):
        name = _name(entry, config)
        try:
            found = _load(voice.features / name, config)
        except InputError:  # not there, or damaged
            _compute(voice.recordings / entry["file"], voice.features / name, config)
            found = _load(voice.features / name, config)
            computed += 1
        names.append(name)
        utterances += found
    seconds = sum(len(u.y) for u in utterances) / config.sr
    if seconds < MIN_SECONDS:
        raise InputError(f"Only {seconds:.1f} s of {voice.recordings} sound; collect at least {MIN_SECONDS:.0f} s, better three minutes.")
    for stale in set(p.name for p in voice.features.glob("[!.]*.npz")) - set(names):
        (voice.features / stale).unlink()
    summary = dict(
        slices=len(utterances),
        seconds=round(seconds, 2),
        voiced_seconds=round(sum(int((u.f0 > 0).sum()) for u in utterances) * config.hop_length / config.sr, 2),
    )
    index = dict(feature_hash=config.feature_hash, files=names, **summary)
    if not voice.done("preprocess") or read_json(voice.features / "index.json") != index:
        write_json(voice.features / "index.json", index)
    return dict(summary, computed=computed)


def load_features(voice, *, config):
    """Read what `preprocess` has written.

    Parameters
    ----------
    voice : vcutils.workspace.Voice
    config : vcutils.config.Config

    Returns
    -------
    list of vcutils.dsp.features.Features
        One a slice; each has as many frames as hops, ``len(y) == n_frames * hop_length``.

    Raises
    ------
    InputError
        If step 2 has not run with these settings, or not on the recordings that are collected now.

    Examples
    --------
    >>> from vcutils.config import preset
    >>> from vcutils.workspace import open_voice
    >>> load_features(open_voice("nobody"), config=preset("quick"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    vcutils.errors.InputError: The voice 'nobody' has no result ...
    """
    voice.require("preprocess")
    index = read_json(voice.features / "index.json")
    if not isinstance(index, dict) or index.get("feature_hash") != config.feature_hash:
        raise InputError(f"The features in {voice.features} were made with other settings; run the step 'preprocess' again.")
    if index["files"] != [_name(entry, config) for entry in load_manifest(voice)["files"]]:  # another person's, maybe
        raise InputError(f"The features in {voice.features} are of other recordings than those that are collected now; run the step 'preprocess' again.")
    return [u for name in index["files"] for u in _load(voice.features / name, config)]


def _name(entry, config):
    return f"{entry['sha256'][:16]}-{config.feature_hash}.npz"


def _compute(recording, path, config):
    y, _ = load_audio(recording, sr=config.sr)
    features = analyse(y, **config.analysis)
    slices = slice_at_silences(features.y, sr=config.sr, hop_length=config.hop_length)
    with atomic_path(path) as tmp:
        np.savez(tmp, y=features.y, f0=features.f0, loudness=features.loudness, mel=features.mel, slices=np.array(slices, int).reshape(-1, 2))


def _load(path, config):
    try:
        with np.load(path, allow_pickle=False) as stored:
            whole = Features(stored["y"], stored["f0"], stored["loudness"], stored["mel"])
            slices = stored["slices"]
    except DAMAGED as error:
        raise InputError(f"{path} is missing or damaged; run the step 'preprocess' again.") from error
    return [whole.cut(a, b, hop_length=config.hop_length) for a, b in slices]
