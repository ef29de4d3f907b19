"""What can be wrong with this computer, looked for before it gets in the way."""
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from packaging.requirements import Requirement

from vcutils.errors import InputError


def examine():
    """Check everything that vcutils needs.

    Returns
    -------
    list of dict
        One a check: ``name``; ``state``, "OK", "FAIL" or "--" for what is optional and absent; ``found``, a few words;
        ``mend``, what to do, or "".

    Examples
    --------
    >>> examine()[0]["name"]
    'Python'
    """
    return [_python(), *_versions(), _tensorflow(), _gpu(), *map(_codec, ("wav", "flac", "ogg", "mp3")), _disk(), _demo_data(), *_extras()]


def _check(name, ok, found, mend, *, optional=False):
    return {"name": name, "state": "OK" if ok else "--" if optional else "FAIL", "found": found, "mend": "" if ok else mend}


def _python():
    found = f"{platform.python_version()} at {sys.executable}"
    return _check("Python", (3, 11) <= sys.version_info < (3, 14), found, "install Python 3.11, 3.12 or 3.13 and make a new environment with it")


def _requirements():
    """What pyproject.toml asks for, as the installed package tells it."""
    return [Requirement(line) for line in importlib.metadata.requires("vcutils") or []]


def _versions():
    """One check a mandatory package."""
    try:
        wanted = [requirement for requirement in _requirements() if not requirement.marker]
    except importlib.metadata.PackageNotFoundError:
        return [_check("vcutils", False, "not installed", "run `pip install -e .` in its folder")]
    checks = []
    for requirement in wanted:
        try:
            found = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            found = "not installed"
        ok = found != "not installed" and requirement.specifier.contains(found, prereleases=True)
        checks.append(_check(requirement.name, ok, found, f'run `pip install "{requirement}"`'))
    return checks


def _tensorflow():
    try:
        import vcutils.nn  # noqa: F401  quietly
        import keras
        import tensorflow as tf

        total = float(tf.reduce_sum(tf.ones(3)))
    except Exception as error:
        hint = "on Windows, install the Visual C++ redistributable of Microsoft; else run `pip install --force-reinstall tensorflow`"
        return _check("TensorFlow", False, f"does not start ({type(error).__name__}: {error})", hint)
    if keras.backend.backend() != "tensorflow":
        return _check("TensorFlow", False, f"Keras runs on {keras.backend.backend()}", "set the environment variable KERAS_BACKEND to tensorflow")
    return _check("TensorFlow", total == 3, f"{tf.__version__} computes, Keras {keras.__version__} uses it", "run `pip install --force-reinstall tensorflow`")


def _gpu():
    try:
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    except Exception:  # the check above has said it
        gpus = []
    if gpus:
        return _check("GPU", True, f"{len(gpus)} found", "")
    mend = 'nothing to mend: the preset "quick" is made for a CPU. With an NVIDIA card on Linux, run `pip install "vcutils[gpu]"`'
    return _check("GPU", False, f"none, {os.cpu_count()} CPU cores", mend, optional=True)


def _codec(name):
    """Write a second of sound and read it again."""
    try:
        import soundfile as sf

        from vcutils.dsp.audio import load_audio

        tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"tone.{name}"
            sf.write(path, tone, 16000)
            y, sr = load_audio(path)
        ok = sr == 16000 and np.corrcoef(y[:16000], tone[: len(y)])[0, 1] > 0.99
        found = "written and read" if ok else "what is read is not what was written"
    except Exception as error:
        ok, found = False, f"does not work ({type(error).__name__}: {error})"
    return _check(f"{name.upper()} files", ok, found, "run `pip install --force-reinstall soundfile`, which brings libsndfile 1.1 or newer")


def _disk():
    folder = Path.cwd()
    free = shutil.disk_usage(folder).free / 1e9
    if not os.access(folder, os.W_OK):
        return _check("Disk", False, f"{folder} cannot be written to", "go to a folder of your own, or use --workspace")
    return _check("Disk", free > 1, f"{free:.1f} GB free in {folder}", "free 1 GB, or use --workspace on another disk")


def _demo_data():
    from vcutils.demo import demo_song, demo_voice

    try:
        missing = [str(path) for path in (demo_voice(), *demo_song()) if not path.exists()]
        found = f"{missing[0]} is missing" if missing else str(demo_voice().parent)
    except InputError as error:
        missing, found = True, str(error)
    return _check("Demo data", not missing, found, "install vcutils again")


def _extras():
    """One check an optional part, present when all its packages are."""
    parts = {"notebooks": "for the course", "score": "to sing from scores and say texts", "separate": "to take voices out of mixes with Demucs", "judge": "for speaker similarity and DNSMOS in the report"}
    try:
        wanted = _requirements()
    except importlib.metadata.PackageNotFoundError:
        return []
    checks = []
    for extra, use in parts.items():
        missing = []
        for requirement in wanted:
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}) and requirement.marker.evaluate({"extra": extra}):
                try:
                    importlib.metadata.version(requirement.name)
                except importlib.metadata.PackageNotFoundError:
                    missing.append(requirement.name)
        found = f"{use}; {', '.join(missing)} not installed" if missing else f"{use}; installed"
        checks.append(_check(f"Extra '{extra}'", not missing, found, f'if you want it, run `pip install "vcutils[{extra}]"`', optional=True))
    return checks
