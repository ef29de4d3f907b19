"""Reading and writing sound files.

A sound is a NumPy array of float32 between -1 and 1, called `y`, and its sampling rate `sr`, as in librosa.
libsndfile (through soundfile) does the decoding. It does not complain about every damaged file, so `load_audio` does.
"""
import io
import re
from pathlib import Path

import librosa
import numpy as np
import soundfile as sf

from vcutils.errors import InputError
from vcutils.files import hold_ctrl_c, quiet_stderr, write_together

SYNTHETIC = "Synthetic voice made with vcutils"  # goes into the metadata of every voice that was generated
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")

_BLOCK = 1 << 18  # frames decoded or encoded at a time
_LEAST_SR, _MOST_OGG_SR = 1000, 192000  # Hz
_SUBTYPES = {".wav": "PCM_16", ".flac": "PCM_16", ".ogg": "VORBIS"}
WRITABLE_SUFFIXES = tuple(_SUBTYPES)


def load_audio(path, *, sr=None, mono=True):
    """Read a sound file: WAV, FLAC, OGG or MP3 of any rate, sample format and number of channels.

    Parameters
    ----------
    path : str or Path
    sr : int, optional
        Rate in Hz to resample to. Default: the file's own.
    mono : bool
        Whether to return the mean of the channels.

    Returns
    -------
    y : np.ndarray [shape=(n,) or (n_channels, n)], float32
        The second shape if `mono` is False. A file in floating point may exceed -1..1.
    sr : int
        Sampling rate of `y` in Hz.

    Raises
    ------
    InputError
        If the file is missing, may not be read, is not sound, holds no samples, holds NaN or infinity,
        is damaged, or ends before the length that it declares (a download or a copy that stopped).
        An OGG, or an MP3 without a Xing header, declares no length, so a cut at its end cannot be seen.

    Examples
    --------
    >>> import tempfile
    >>> path = save_audio(Path(tempfile.mkdtemp()) / "a.wav", np.zeros(8000), 8000)
    >>> y, sr = load_audio(path, sr=16000)
    >>> y.shape, y.dtype.name, sr
    ((16000,), 'float32', 16000)
    """
    path = Path(path)
    check_readable(path)
    try:
        with quiet_stderr(), sf.SoundFile(path) as f:
            file_sr, declared = f.samplerate, _declared_frames(f, path)
            blocks = []
            while len(block := f.read(_BLOCK, dtype="float32", always_2d=True)):
                blocks.append((block.mean(axis=1, keepdims=True) if mono else block).T)
    except (sf.LibsndfileError, TypeError) as error:  # TypeError: soundfile wants more arguments for .raw
        raise InputError(
            f"{path} cannot be read as sound: it is damaged or not a WAV, FLAC, OGG or MP3 file; export or copy it again."
        ) from error
    if file_sr < _LEAST_SR:
        raise InputError(f"{path} says that it has {file_sr} samples a second, which is too few for a voice; export it again from the original.")
    frames = sum(block.shape[1] for block in blocks)
    if declared and frames < declared:
        raise InputError(
            f"{path} is cut short: it should last {declared / file_sr:.2f} s "
            f"but holds {frames / file_sr:.2f} s; export or copy it again."
        )
    if not frames:
        raise InputError(f"{path} holds no sound (0 samples); record it again.")
    y = np.concatenate(blocks, axis=1)
    del blocks  # or a long song would be in memory twice
    if not np.isfinite(y).all():
        raise InputError(f"{path} holds samples that are not numbers (NaN or infinity); export it again from the original.")
    if mono:
        y = y[0]
    if sr is not None and sr != file_sr:
        y = librosa.resample(y, orig_sr=file_sr, target_sr=sr)
    return np.ascontiguousarray(y), sr or file_sr


def save_audio(path, y, sr, *, comment=None):
    """Write a sound file, whole or not at all.

    Parameters
    ----------
    path : str or Path
        Ends in `.wav`, `.flac` (both 16-bit) or `.ogg` (Vorbis).
    y : np.ndarray [shape=(n,) or (n_channels, n)]
        Between -1 and 1.
    sr : int
        Sampling rate in Hz.
    comment : str, optional
        A remark kept in the file's own metadata, for example that the voice is synthetic.

    Returns
    -------
    Path
        `path`

    Raises
    ------
    InputError
        If the suffix is another one, `y` has no samples, holds NaN or infinity or exceeds -1..1,
        or the file cannot be written (the disk is full, the folder may not be written to).

    Examples
    --------
    >>> import tempfile
    >>> path = save_audio(Path(tempfile.mkdtemp()) / "a.flac", np.zeros((2, 8000)), 8000, comment="two quiet channels")
    >>> load_audio(path, mono=False)[0].shape
    (2, 8000)
    """
    path = Path(path)
    write_together({path: encode_audio(path, y, sr, comment=comment)})
    return path


def encode_audio(path, y, sr, *, comment=None):
    """What `save_audio` writes, without writing it.

    Parameters
    ----------
    path, y, sr, comment
        As in `save_audio`; `path` tells the format.

    Returns
    -------
    memoryview
        The bytes of the file.

    Raises
    ------
    InputError
        As `save_audio`, but for writing.

    Examples
    --------
    >>> bytes(encode_audio("a.wav", np.zeros(8000), 8000)[:4])
    b'RIFF'
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _SUBTYPES:
        raise InputError(f"{path} cannot be written: its name must end in {', '.join(_SUBTYPES)}.")
    if suffix == ".ogg" and sr > _MOST_OGG_SR:  # at which libsndfile crashes
        raise InputError(f"{path} was not written: OGG holds at most {_MOST_OGG_SR} samples a second, and these are {sr}; write .wav or .flac.")
    frames = np.atleast_2d(np.asarray(y, dtype=np.float32)).T
    if not frames.size:
        raise InputError(f"{path} was not written: there are no samples to write.")
    if not np.isfinite(frames).all():
        raise InputError(f"{path} was not written: the samples hold NaN or infinity.")
    peak = max(frames.max(), -frames.min())
    if peak > 1 + 1e-5:  # a third of a 16-bit step: float32 rounding, not a clipped peak
        raise InputError(f"{path} was not written: the peak {peak:.3f} exceeds 1 and would be clipped; lower or limit it first.")
    encoded = io.BytesIO()  # encoding in memory lets Python, which reports a full disk, do the writing
    with hold_ctrl_c() as may_stop:  # libsndfile calls back into Python, and would take an interrupt there for a fault
        with sf.SoundFile(encoded, "w", sr, frames.shape[1], format=suffix[1:], subtype=_SUBTYPES[suffix]) as f:
            if comment:
                f.comment = comment
            for start in range(0, len(frames), _BLOCK):
                may_stop()
                f.write(frames[start : start + _BLOCK])
    return encoded.getbuffer()


def check_readable(path):
    """Raise a sentence unless `path` is a file that has something in it and may be read.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    InputError
        If it is missing, not a file, empty, or may not be read.

    Examples
    --------
    >>> check_readable("no such file.wav")
    Traceback (most recent call last):
    vcutils.errors.InputError: no such file.wav does not exist; check the name.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise InputError(f"{path} does not exist; check the name.")
        if not path.is_file():
            raise InputError(f"{path} is not a file; name a sound file.")
        with open(path, "rb") as f:
            if not f.read(1):
                raise InputError(f"{path} is empty (0 bytes); record or copy it again.")
    except OSError as error:
        raise InputError(f"{path} cannot be opened ({error.strerror}); allow reading it, or copy it elsewhere.") from error


def _declared_frames(f, path):
    """How many frames the open file's header promises, None if it promises nothing."""
    if f.format == "FLAC":
        return f.frames
    if f.format == "MP3":
        return f.frames if _has_xing_header(path) else None  # without it libsndfile guesses from the file's size
    if f.format in ("WAV", "WAVEX"):
        # libsndfile takes what is there and only notes the difference in its log
        note = re.search(r"^data : (\d+) \(should be (\d+)\)", f.extra_info, re.MULTILINE)
        if note:
            promised, present = map(int, note.groups())
            # 2 GB and more stands for "unknown" in streamed files; a few bytes too many are a writer's padding
            if 16 < promised - present and promised < 0x7FFFF000:
                return max(f.frames + 1, round(f.frames * promised / max(present, 1)))
    return None


def _has_xing_header(path):
    """Whether the first frame of an MP3 states the number of frames ("Xing", or "Info" at a constant rate)."""
    with open(path, "rb") as f:
        tag = f.read(10)
        # an ID3v2 tag stores its size in four bytes of seven bits
        size = sum(b << shift for b, shift in zip(tag[6:10], (21, 14, 7, 0))) + 10 if tag.startswith(b"ID3") else 0
        f.seek(size)
        frame = f.read(256)
    return b"Xing" in frame or b"Info" in frame
