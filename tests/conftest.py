"""What several test files need: real recordings, a synthetic voice, a small disk, a user without privileges."""
import contextlib
import functools
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

collect_ignore = ["benchmarks"]  # scripts to run by hand
VOICES = Path(__file__).resolve().parents[2] / "shared" / "voices"


@pytest.fixture(scope="session", autouse=True)
def ctrl_c():
    """Tests press Ctrl-C, but a shell that starts pytest in the background has it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def voices():
    """Folder of real recordings."""
    if not VOICES.is_dir():
        pytest.skip(f"the real recordings are not here ({VOICES})")
    return VOICES


@pytest.fixture(scope="session")
def sing():
    """Function that makes a voice-like sound: 40 harmonics of a gliding F0, with a pause every second."""

    @functools.cache
    def make(seconds, *, sr=16000, f0=150.0, peak=0.3):
        t = np.arange(round(seconds * sr)) / sr
        phase = 2 * np.pi * np.cumsum(f0 * (1 + 0.03 * np.sin(2 * np.pi * 0.7 * t))) / sr
        y = sum(np.sin(k * phase) / k for k in range(1, 41))
        y = y * (t % 1 < 0.8) + 1e-3 * np.random.default_rng(0).standard_normal(len(t))
        y = (peak * y / np.abs(y).max()).astype(np.float32)
        y.flags.writeable = False  # every test gets the same array
        return y

    return make


@pytest.fixture(scope="session")
def in_tune():
    """Function that checks that a conversion has the tune of its source without octave jumps, and gives the F0 of both."""
    from vcutils.dsp.f0 import estimate_f0

    def check(result, source):
        before, after = (estimate_f0(y, sr=16000, hop_length=160) for y in (source, result["y"]))
        both = (before > 0) & (after > 0)
        cents = 1200 * np.log2(after[both] / before[both]) - 100 * result["key"]
        assert np.mean(np.abs(cents) > 600) < 0.01, result["about"]["source"]
        assert np.mean(np.abs(cents) < 50) > 0.95, result["about"]["source"]
        return before, after

    return check


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of its own that holds 1 MB."""
    folder = tmp_path / "small_disk"
    folder.mkdir()
    try:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("a full disk needs the right to mount one")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def unprivileged():
    """A folder, and a context in which file permissions bind even where the tests run as root."""
    if not hasattr(os, "geteuid"):
        pytest.skip("file permissions of this kind do not exist here")

    @contextlib.contextmanager
    def drop():
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)

    with tempfile.TemporaryDirectory() as folder:  # not tmp_path: nobody but its owner may look into that
        os.chmod(folder, 0o777)
        yield Path(folder), drop


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace with the demo voice "slt", ready to sing."""
    import shutil

    from vcutils.demo import demo_model

    folder = tmp_path_factory.mktemp("workspace")
    (folder / "slt").mkdir()
    shutil.copyfile(demo_model(), folder / "slt" / "model.npz")
    return folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """A demo voice, collected and preprocessed for the smoke preset."""
    from vcutils.collect import collect
    from vcutils.config import preset
    from vcutils.demo import demo_voice
    from vcutils.preprocess import preprocess
    from vcutils.workspace import open_voice

    voice = open_voice("slt", workspace=tmp_path_factory.mktemp("prepared"))
    collect(sorted(demo_voice("slt").iterdir())[:6], voice, consent="licence", note="demo voice", progress=False)
    preprocess(voice, config=preset("smoke"), progress=False)
    return voice


@pytest.fixture(scope="session")
def trained(prepared, tmp_path_factory):
    """The same voice, trained for seconds: it sings in pitch and in time, but does not sound like anybody yet."""
    import shutil

    from vcutils.config import preset
    from vcutils.train import train
    from vcutils.workspace import open_voice

    workspace = tmp_path_factory.mktemp("trained")
    shutil.copytree(prepared.folder, workspace / "slt")
    voice = open_voice("slt", workspace=workspace)
    train(voice, config=preset("smoke"), progress=False)
    return voice
