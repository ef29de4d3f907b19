"""Step 1: collect. Take recordings of one voice, judge them, and keep them together with the speaker's consent."""
import datetime
import lzma
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path, PurePosixPath

import librosa
import numpy as np
import scipy.ndimage
import scipy.signal
from tqdm.auto import tqdm

from vcutils.dsp.audio import AUDIO_SUFFIXES, check_readable, load_audio
from vcutils.dsp.f0 import estimate_f0
from vcutils.dsp.features import NOISY_DB, highpass, voice_and_noise
from vcutils.errors import InputError
from vcutils.files import atomic_path, read_json, sha256, write_json

CONSENT = {
    "self": "the voice is your own",
    "permission": "the speaker allowed it",
    "licence": "the recordings' licence allows it",
}
MIN_SECONDS = 0.5  # of one file
MIN_VOICED_SECONDS = 10.0  # of all files together
GOOD_VOICED_SECONDS = 90.0  # about three minutes of speech with its pauses

# Phones write formats that cannot all be read here; they are taken up so that the report names them.
_SOUND_SUFFIXES = AUDIO_SUFFIXES + (".m4a", ".aac", ".aif", ".aiff", ".amr", ".caf", ".mp4", ".opus", ".webm", ".wma")
_MAX_ZIP_FILES = 5000
_MAX_ZIP_BYTES = 4 << 30
_MAX_ZIP_RATIO = 100  # recordings shrink to no less than a tenth or so
_VERSION = 1  # of the manifest


def find_recordings(paths, *, unpack_to):
    """List the sound files that some folders, files and zips hold.

    Parameters
    ----------
    paths : str, Path or list of them
        A folder is searched with all its subfolders, but not the zips in it. Hidden files and `__MACOSX` are left out.
        A file that is named itself is taken whatever its suffix.
    unpack_to : str or Path
        Folder for the sound files of zips.

    Returns
    -------
    list of Path
        Sorted within each folder and zip.

    Raises
    ------
    InputError
        If a path does not exist or may not be read, a folder or zip holds no sound file, or a zip is damaged,
        protected by a password, leads outside its folder, or unpacks to far more than recordings would.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("b.wav", "a.mp3", "notes.txt"):
    ...     (folder / name).touch()
    >>> [p.name for p in find_recordings(folder, unpack_to=folder)]
    ['a.mp3', 'b.wav']
    """
    found = []
    for path in [paths] if isinstance(paths, (str, os.PathLike)) else paths:
        path = Path(path)
        if os.path.isdir(path):
            inside = _search(path)
        elif not os.path.isfile(path):
            check_readable(path)  # says whether it is missing or forbidden
        elif path.suffix.lower() == ".zip":
            inside = _search(_unpack(path, Path(unpack_to)))
        else:
            inside = [path]
        if not inside:
            raise InputError(f"{path} holds no recordings; sound files end in {', '.join(AUDIO_SUFFIXES)}.")
        found += inside
    if not found:
        raise InputError("No recordings were given; name a folder, sound files or a zip.")
    return found


def _is_recording(name):
    """Whether a relative path looks like a sound file that somebody made on purpose."""
    parts = PurePosixPath(name).parts
    return name.lower().endswith(_SOUND_SUFFIXES) and not any(p.startswith(".") or p == "__MACOSX" for p in parts)


def _search(folder):
    """All sound files below `folder`."""

    def complain(error):
        raise InputError(f"{error.filename} cannot be opened ({error.strerror}); allow reading it, or copy it elsewhere.") from error

    files = (Path(where, name) for where, _, names in os.walk(folder, onerror=complain) for name in names)
    return sorted(p for p in files if _is_recording(p.relative_to(folder).as_posix()))


def _unpack(path, unpack_to):
    """Unpack the sound files of a zip that somebody unknown may have made."""
    folder = unpack_to / path.name
    while folder.exists():  # two zips of one name
        folder = folder.with_name(f"{folder.name}+")
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir()]
            for member in members:
                name = member.filename.replace("\\", "/")
                if name.startswith("/") or re.match("[A-Za-z]:", name) or ".." in name.split("/"):
                    raise InputError(f"{path} is refused: its entry '{member.filename}' leads outside the zip's own folder; make a new zip.")
            # zipfile stops at the declared sizes, so that a zip cannot hold more than it says
            size = sum(m.file_size for m in members)
            if len(members) > _MAX_ZIP_FILES or size > _MAX_ZIP_BYTES or size > max(_MAX_ZIP_RATIO * path.stat().st_size, 1 << 24):
                raise InputError(
                    f"{path} is refused: it would unpack to {len(members)} files of {size / 1e6:.0f} MB in all, "
                    "which no zip of recordings does; give a folder instead."
                )
            folder.mkdir(parents=True)
            for member in members:
                if _is_recording(member.filename):
                    archive.extract(member, folder)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, UnicodeDecodeError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{path} cannot be unpacked: it is damaged or no zip; make it again.") from error
    except RuntimeError as error:  # zipfile's word for encryption
        raise InputError(f"{path} is protected by a password; make a zip without one.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be unpacked into {unpack_to} ({error.strerror}); free some space or allow reading it.") from error
    return folder


def check_recording(path):
    """Judge one recording: is there enough voice in it, is it clean, and what would make it better?

    Levels are measured after removing everything below 50 Hz and are relative to full scale (0 dB is the loudest
    that a file can hold).

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict
        - `file` : str, its name
        - `seconds`, `voiced_seconds` : float; voiced is where there is a pitch: vowels, not "s" or "p"
        - `peak_db` : float, the highest sample
        - `rms_db` : float, the level of the voiced parts
        - `clipped_share` : float 0..1, samples in flat tops (three or more at the file's extreme) or beyond full scale
        - `dc_offset` : float 0..1, how far the mean of the samples is from 0
        - `noise_floor_db`, `snr_db` : float or None, level of the quietest tenth of what is not voiced, and how far
          the voice stands above it; None if nearly everything is voiced
        - `bandwidth_hz` : float, the highest frequency less than 60 dB below the strongest one
        - `f0_low`, `f0_median`, `f0_high` : float, Hz; 5 %, 50 % and 95 % of the voiced frames' F0 lie below
        - `advice` : list of str, what to do better; empty if nothing
        - `verdict` : str, "good", "usable: ..." or "leave out: ...", with the worst of the advice

    Raises
    ------
    InputError
        If the file cannot be read, is shorter than half a second, is silent, or has no voice in it.

    Examples
    --------
    >>> from vcutils.dsp.audio import save_audio
    >>> y = 0.1 * scipy.signal.sawtooth(2 * np.pi * 150 * np.arange(16000) / 16000)
    >>> report = check_recording(save_audio(Path(tempfile.mkdtemp()) / "a.wav", y, 16000))
    >>> report["seconds"], round(report["f0_median"], -1), report["clipped_share"]
    (1.0, 150.0, 0.0)
    """
    channels, sr = load_audio(path, mono=False)
    seconds = channels.shape[1] / sr
    if seconds < MIN_SECONDS:
        raise InputError(f"{path} lasts only {seconds:.2f} s; a recording needs at least {MIN_SECONDS} s.")
    y = highpass(channels.mean(axis=0), sr=sr)
    if len(channels) > 1 and np.std(y) < 0.01 * np.std(channels, axis=1).max():
        raise InputError(f"The channels of {path} cancel each other, as one of them is upside down; export one of them alone.")
    if np.abs(y).max() < 1e-4:  # three steps of a 16-bit file
        raise InputError(f"{path} is silent; check the microphone and record again.")

    y16 = librosa.resample(y, orig_sr=sr, target_sr=16000)
    f0 = estimate_f0(y16, sr=16000, hop_length=160)
    voiced_flag = f0 > 0
    if voiced_flag.sum() < 10:  # a tenth of a second
        raise InputError(f"{path} has no voice in it; leave it out, or record speech or singing.")
    rms_db, noise_db = voice_and_noise(y16, f0, hop_length=160)
    report = {
        "file": Path(path).name,
        "seconds": seconds,
        "voiced_seconds": voiced_flag.sum() / 100,
        "peak_db": librosa.amplitude_to_db(np.abs(channels).max(), amin=1e-5),
        "rms_db": rms_db,
        "clipped_share": _clipped_share(channels),
        "dc_offset": np.abs(channels.mean(axis=1)).max(),
        "noise_floor_db": noise_db,
        "snr_db": None if noise_db is None else rms_db - noise_db,
        "bandwidth_hz": _bandwidth(y, sr),
        **dict(zip(("f0_low", "f0_median", "f0_high"), np.percentile(f0[voiced_flag], (5, 50, 95)))),
    }
    report = _rounded(report)
    advice = _advise(report)
    verdict = f"{'leave out' if _harmful(report) else 'usable'}: {advice[0]}" if advice else "good"
    return {**report, "advice": advice, "verdict": verdict}


def _rounded(report):
    """Plain numbers of four significant digits, ready for JSON."""
    return {key: float(f"{value:.4g}") if isinstance(value, (float, np.floating)) else value for key, value in report.items()}


def _clipped_share(channels):
    """Share of samples in flat tops; a wave that was not cut touches its extreme for a sample or two."""
    extremes = (channels == channels.max()) | (channels == channels.min())
    flat = scipy.ndimage.binary_opening(extremes & (np.abs(channels) > 0.1), structure=np.ones((1, 3)))
    return np.mean(flat | (np.abs(channels) > 1))  # MP3 and OGG round the tops off, beyond full scale


def _bandwidth(y, sr):
    frequencies, power = scipy.signal.welch(y, sr, nperseg=min(2048, len(y)))
    return frequencies[power > power.max() * 1e-6][-1]


def _advise(report):
    """What a person should do about a recording, worst first."""
    advice = []
    if report["clipped_share"] > 0.001:
        advice.append(f"Turn the gain down: {report['clipped_share']:.1%} of the samples are clipped.")
    if report["rms_db"] < -40:
        advice.append(f"Turn the gain up or move closer: the voice is very quiet ({report['rms_db']:.0f} dB; -20 dB is usual).")
    elif report["rms_db"] < -32:
        advice.append(f"Turn the gain up a little: the voice is quiet ({report['rms_db']:.0f} dB; -20 dB is usual).")
    if report["snr_db"] is not None and report["snr_db"] < NOISY_DB:
        advice.append(f"Record in a quieter room or closer to the microphone: the voice is only {report['snr_db']:.0f} dB above the noise.")
    if report["bandwidth_hz"] < 5000:
        advice.append(
            f"Use the original file instead of a call or a voice message: nothing sounds above {report['bandwidth_hz'] / 1000:.1f} kHz, so the clone will be dull."
        )
    if report["dc_offset"] > 0.02:
        advice.append(f"Nothing to do now, but check the sound card: the wave is off centre by {report['dc_offset']:.1%} (it is moved back).")
    return advice


def _harmful(report):
    """Whether a recording does more harm than good: a clone learns clipping, noise and dullness as if they were the voice."""
    noisy = report["snr_db"] is not None and report["snr_db"] < 10
    return noisy or report["clipped_share"] > 0.01 or report["rms_db"] < -45 or report["bandwidth_hz"] < 5000


def collect(paths, voice, *, consent, note="", progress=True):
    """Copy recordings, unaltered, into a voice's folder, with a quality report and the consent.

    All files are judged before anything is written, and the manifest is written last, so that a failure leaves what
    was there before. Files that cannot be used are skipped and listed. The same files, consent and note as last time
    change nothing and cost little.

    Parameters
    ----------
    paths : str, Path or list of them
        Folders, sound files and zips, see `find_recordings`. They replace what was collected before.
    voice : vcutils.workspace.Voice
        From `open_voice`.
    consent : {"self", "permission", "licence"}
        Why this voice may be cloned: it is your own, its owner allowed it, or the recordings' licence does.
    note : str
        Who allowed it, or which licence.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    dict
        The manifest, also in `voice.manifest`:

        - `version`, `voice`
        - `consent` : dict with `kind`, `note`, `date`
        - `files` : list of dict, the report of `check_recording` for each file in `voice.recordings`, with `original`
          (where it came from) and `sha256`
        - `skipped` : list of dict with `file`, `why` and, if there was anything to read, `sha256`
        - `summary` : dict, `files` (their number) and the report of all files as if they were one
        - `advice` : list of str

    Raises
    ------
    InputError
        If there is no consent, nothing can be used, the voiced parts last less than 10 s in all, or the disk is full.

    Examples
    --------
    >>> from vcutils.dsp.audio import save_audio
    >>> from vcutils.workspace import open_voice
    >>> folder = Path(tempfile.mkdtemp())
    >>> y = 0.1 * scipy.signal.sawtooth(2 * np.pi * 150 * np.arange(12 * 16000) / 16000)
    >>> recording = save_audio(folder / "a.wav", y, 16000)
    >>> manifest = collect(recording, open_voice("me", workspace=folder), consent="self", progress=False)
    >>> manifest["consent"]["kind"], manifest["summary"]["seconds"]
    ('self', 12.0)
    """
    if consent not in CONSENT:
        kinds = ", ".join(f"'{kind}' ({meaning})" for kind, meaning in CONSENT.items())
        raise InputError(
            f"Cloning '{voice.name}' needs consent: pass consent= one of {kinds}, "
            f"or --consent {{{','.join(CONSENT)}}} on the command line, and a note on who or what allows it."
        )
    with tempfile.TemporaryDirectory() as unpacked:

        def named(text):
            # people know the zip's name, not the temporary folder's; and a name need not be Unicode
            return str(text).replace(f"{unpacked}{os.sep}", "").encode(errors="replace").decode()

        originals, skipped = {}, []
        for path in find_recordings(paths, unpack_to=unpacked):
            try:
                check_readable(path)
            except InputError as error:
                skipped.append({"file": named(path), "why": named(error)})
                continue
            digest = sha256(path)
            if digest in originals:
                skipped.append({"file": named(path), "why": f"{named(path)} is the same as {named(originals[digest])}.", "sha256": digest})
            else:
                originals[digest] = path

        stored = _stored(voice)
        if stored and (stored["consent"]["kind"], stored["consent"]["note"]) == (consent, note):
            if originals.keys() == {f["sha256"] for f in stored["files"] + stored["skipped"] if "sha256" in f}:
                with suppress(OSError):  # of a folder that may only be read
                    os.utime(voice.manifest)  # the course works on the voice that was collected last
                return stored

        files = []
        for digest, path in tqdm(originals.items(), desc="Judging recordings", unit="file", disable=not progress):
            try:
                report = check_recording(path)
            except InputError as error:
                skipped.append({"file": named(path), "why": named(error), "sha256": digest})
            else:
                files.append({**report, "file": _safe_name(path, digest), "original": named(path), "sha256": digest})

        manifest = {
            "version": _VERSION,
            "voice": voice.name,
            "consent": {"kind": consent, "note": note, "date": datetime.date.today().isoformat()},
            "files": files,
            "skipped": skipped,
            **_judge_all(files, skipped),
        }
        left = len({f["sha256"] for f in stored["files"]} - originals.keys()) if stored else 0
        if left:
            manifest["advice"].append(f"{left} recordings collected before are no longer used: to keep them, name them together with the new ones.")
        if consent != "self" and not note:
            what = "who gave the permission" if consent == "permission" else "which licence it is"
            manifest["advice"].append(f"Note down {what}: note='...', or --consent-note on the command line.")
        _store(manifest, originals, voice)
    return manifest


def _safe_name(path, digest):
    """A file name that every file system can hold, that nothing else has, and that stays whatever is added later."""
    stem = re.sub("[^a-z0-9]+", "-", path.stem.lower())[:40].strip("-")
    return f"{stem}-{digest[:12]}{re.sub('[^a-z0-9.]', '', path.suffix.lower())}".lstrip("-")


def _judge_all(files, skipped):
    """Summary and advice for all files together; raises if they are not enough to clone a voice."""
    if not files:
        why = skipped[0]["why"]
        raise InputError(why if len(skipped) == 1 else f"None of the {len(skipped)} files can be used; the first: {why}")
    summary = {
        "files": len(files),
        "seconds": sum(f["seconds"] for f in files),
        "voiced_seconds": sum(f["voiced_seconds"] for f in files),
        "peak_db": max(f["peak_db"] for f in files),
    }
    for key in ("rms_db", "clipped_share", "dc_offset", "noise_floor_db", "snr_db", "bandwidth_hz", "f0_low", "f0_median", "f0_high"):
        known = [f for f in files if f[key] is not None]
        weights = [f["voiced_seconds"] for f in known]  # what is said of the voice counts by how much voice there is
        summary[key] = np.average([f[key] for f in known], weights=weights) if known else None
    summary = _rounded(summary)

    voiced = summary["voiced_seconds"]
    per_voiced = summary["seconds"] / voiced  # pauses and unvoiced sounds come with the speech
    if voiced < MIN_VOICED_SECONDS:
        where = files[0]["original"] if len(files) == 1 else f"the {len(files)} files that can be used"
        more = np.ceil((MIN_VOICED_SECONDS - voiced) * per_voiced)
        bad = f", or mend the {len(skipped)} files that cannot be used; the first: {skipped[0]['why']}" if skipped else "."
        raise InputError(
            f"There are only {voiced:.1f} s of voiced speech in {where}, and a voice needs at least {MIN_VOICED_SECONDS:.0f} s; "
            f"record about {more:.0f} s more{bad}"
        )
    advice = _advise(summary)
    if voiced < GOOD_VOICED_SECONDS:
        more = np.ceil((GOOD_VOICED_SECONDS - voiced) * per_voiced / 5) * 5
        advice.insert(0, f"Record {more:.0f} s more: {voiced:.0f} s of voiced speech work, {GOOD_VOICED_SECONDS:.0f} s work better.")
    return {"summary": summary, "advice": advice}


def _stored(voice):
    """The manifest of an earlier `collect`, None if there is none or something of it is gone."""
    try:
        return verify_recordings(voice)
    except InputError:
        return None


def _store(manifest, originals, voice):
    """Copy the files, then write the manifest, then remove what it does not name; undo the copies if that fails."""
    wanted = {voice.recordings / f["file"]: f["sha256"] for f in manifest["files"]}
    new = [path for path, digest in wanted.items() if not (path.is_file() and sha256(path) == digest)]
    copied = []
    try:
        for path in new:
            with atomic_path(path) as tmp:
                shutil.copyfile(originals[wanted[path]], tmp)
            copied.append(path)
        write_json(voice.manifest, manifest)
    except BaseException:
        for path in copied:
            path.unlink()
        for folder in (voice.recordings, voice.folder):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        raise
    for path in voice.recordings.iterdir():
        if path not in wanted and path.is_file():
            path.unlink()


def load_manifest(voice):
    """Read what `collect` wrote.

    Parameters
    ----------
    voice : vcutils.workspace.Voice

    Returns
    -------
    dict
        See `collect`.

    Raises
    ------
    InputError
        If nothing has been collected, or the manifest is damaged, of another version or without consent.

    Examples
    --------
    >>> from vcutils.workspace import open_voice
    >>> load_manifest(open_voice("nobody"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    vcutils.errors.InputError: The voice 'nobody' has no result of step 'collect' ...
    """
    voice.require("collect")
    manifest = read_json(voice.manifest)
    try:
        good = manifest["version"] == _VERSION and manifest["consent"]["kind"] in CONSENT
        good = good and [(f["file"], f["sha256"]) for f in manifest["files"]]
    except (KeyError, TypeError):
        good = False
    if not good:
        raise InputError(f"{voice.manifest} is damaged, of another version or without consent; collect the recordings again.")
    return manifest


def verify_recordings(voice):
    """Check that every collected recording is still the one that the consent was given for.

    Parameters
    ----------
    voice : vcutils.workspace.Voice

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    InputError
        As `load_manifest`, and if a recording is missing or its SHA-256 has changed.

    Examples
    --------
    >>> from vcutils.workspace import open_voice
    >>> verify_recordings(open_voice("nobody"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    vcutils.errors.InputError: The voice 'nobody' has no result of step 'collect' ...
    """
    manifest = load_manifest(voice)
    for file in manifest["files"]:
        path = voice.recordings / file["file"]
        if not path.is_file() or sha256(path) != file["sha256"]:
            raise InputError(f"{path} is missing or has changed since the consent was given; collect the recordings again.")
    return manifest


def format_report(manifest, *, max_files=12):
    """Lay a manifest out for reading: a table of the files, what was skipped, and what to do.

    Parameters
    ----------
    manifest : dict
        From `collect` or `load_manifest`.
    max_files : int
        Rows to show at most; files with advice come first.

    Returns
    -------
    str
        Lines of text.

    Examples
    --------
    >>> from vcutils.dsp.audio import save_audio
    >>> from vcutils.workspace import open_voice
    >>> folder = Path(tempfile.mkdtemp())
    >>> y = 0.1 * scipy.signal.sawtooth(2 * np.pi * 150 * np.arange(12 * 16000) / 16000)
    >>> recording = save_audio(folder / "a.wav", y, 16000)
    >>> manifest = collect(recording, open_voice("me", workspace=folder), consent="self", progress=False)
    >>> print(format_report(manifest).splitlines()[0])
    Voice 'me', consent: self
    """
    consent = manifest["consent"]
    lines = [f"Voice '{manifest['voice']}', consent: {consent['kind']}" + (f" ({consent['note']})" if consent["note"] else ""), ""]
    lines.append(f"{'file':30} {'length':>8} {'voiced':>8} {'level':>8} {'clipped':>8} {'SNR':>7} {'up to':>8}  F0")
    files = sorted(manifest["files"], key=lambda f: not f["advice"])
    rows = [(Path(f["original"]).name, f) for f in files[:max_files]]
    if len(files) > 1:
        rows.append((f"all {len(files)} files", manifest["summary"]))
    for name, f in rows:
        name = name if len(name) <= 30 else f"{name[:14]}...{name[-13:]}"
        snr = "-" if f["snr_db"] is None else f"{f['snr_db']:.0f} dB"
        lines.append(
            f"{name:30} {f['seconds']:6.1f} s {f['voiced_seconds']:6.1f} s {f['rms_db']:5.0f} dB {f['clipped_share']:8.2%} {snr:>7} "
            f"{f['bandwidth_hz'] / 1000:4.1f} kHz  {f['f0_low']:.0f} to {f['f0_high']:.0f} Hz"
        )
    lines += [f"Skipped: {s['why']}" for s in manifest["skipped"]]
    lines += [f"Advice: {a}" for a in manifest["advice"]]
    # what holds for all has been said; of the rest, each piece of advice once
    said = {a.split(":")[0] for a in manifest["advice"]}
    for name, f in ((Path(f["original"]).name, f) for f in files):
        for what in (a.split(":")[0] for a in f["advice"]):
            if what not in said:
                said.add(what)
                others = sum(a.startswith(what) for g in files for a in g["advice"]) - 1
                lines.append(f"Advice for {name}" + (f" and {others} more" if others else "") + f": {what}.")
    return "\n".join(lines)
