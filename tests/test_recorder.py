"""The recorder's half in Python: takes are kept to the sample, and nothing that a page sends does harm.

The other half is tested in a browser by test_browser.py.
"""
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

import vcutils.ui.recorder
from vcutils.collect import check_recording
from vcutils.errors import InputError
from vcutils.prompts import PROMPTS
from vcutils.ui.recorder import Recorder

RATE = 48000


@pytest.fixture
def recorder(tmp_path, monkeypatch):
    recorder = Recorder(tmp_path / "takes", check=check_recording)
    recorder.answers = []
    monkeypatch.setattr(Recorder, "send", lambda self, content, buffers=None: self.answers.append(content))
    return recorder


@pytest.fixture
def samples(sing):
    """Two seconds of voice as the browser sends it."""
    return np.round(32767 * sing(2, sr=RATE)).astype("<i2")


def receive(recorder, samples, **content):
    """What anywidget does when the page sends a message."""
    buffers = [memoryview(samples.tobytes())] if isinstance(samples, np.ndarray) else samples
    recorder._handle_custom_msg({"prompt": 2, "rate": RATE, **content}, buffers)
    return recorder.answers[-1]


def test_a_take_is_kept_to_the_sample(recorder, samples):
    samples[:4] = (-32768, 32767, 0, -1)
    answer = receive(recorder, samples)
    (path,) = recorder.takes
    info = sf.info(path)
    assert (path.name, info.subtype, info.samplerate, info.channels) == ("prompt_03_take_1.wav", "PCM_16", RATE, 1)
    assert np.array_equal(sf.read(path, dtype="int16")[0], samples)
    assert answer == {"kept": "Sentence 3, take 1: 2.0 s, good"} and recorder.kept == [answer["kept"]]


def test_takes_are_numbered_and_found_again(recorder, samples):
    for prompt in (2, 0, 2):
        receive(recorder, samples, prompt=prompt)
    recorder.takes[1].unlink()
    receive(recorder, samples)
    names = ["prompt_01_take_1.wav", "prompt_03_take_2.wav", "prompt_03_take_3.wav"]
    assert [path.name for path in recorder.takes] == names
    again = Recorder(recorder.folder)
    assert again.takes == recorder.takes
    assert again.kept == ["Sentence 1, take 1", "Sentence 3, take 2", "Sentence 3, take 3"]


def test_a_take_of_no_use_is_thrown_away_and_the_reason_told(recorder, samples):
    answer = receive(recorder, 0 * samples)
    assert "silent" in answer["refused"] and "\n" not in answer["refused"]
    assert recorder.takes == [] == recorder.kept


def test_a_full_disk_is_told(small_disk, recorder, samples):
    recorder.folder = small_disk / "takes"
    answers = [receive(recorder, np.tile(samples, 3)) for _ in range(3)]
    assert "disk is full" in answers[-1]["refused"]
    assert len(recorder.takes) == len(recorder.kept) == 1


RUBBISH = {
    "no buffer": dict(samples=[]),
    "None": dict(samples=None),
    "two buffers": dict(samples=[b"\0" * RATE * 2] * 2),
    "odd length": dict(samples=[b"\0" * (RATE * 2 + 1)]),
    "empty": dict(samples=[b""]),
    "too short": dict(samples=[b"\0" * 1000]),
    "huge": dict(samples=[b"\0" * (40 * 2 * RATE)]),
    "rate 0": dict(rate=0),
    "rate text": dict(rate="48000"),
    "rate NaN": dict(rate=float("nan")),
    "rate infinite": dict(rate=float("inf")),
    "rate True": dict(rate=True),
    "rate missing": dict(rate=None),
    "prompt -1": dict(prompt=-1),
    "prompt beyond": dict(prompt=20),
    "prompt text": dict(prompt="../../a"),
    "prompt list": dict(prompt=[1]),
}


@pytest.mark.parametrize("sent", RUBBISH.values(), ids=RUBBISH)
def test_rubbish_is_refused_in_a_sentence(recorder, samples, sent):
    answer = receive(recorder, **{"samples": samples, **sent})
    assert list(answer) == ["refused"] and answer["refused"].startswith("Not kept: ") and answer["refused"].endswith(".")
    assert recorder.takes == [] and not recorder.folder.exists()


@pytest.mark.parametrize("content", [None, "take", [], {}, {"kind": "other"}])
def test_messages_of_another_shape_are_refused(recorder, content):
    recorder._handle_custom_msg(content, [])
    assert "refused" in recorder.answers[-1]


def test_no_take_is_saved_in_the_notebook(recorder, samples):
    before = len(str(recorder.get_state()))
    receive(recorder, samples)
    assert len(str(recorder.get_state())) - before < 100


def test_prompts_can_be_anything_but_nothing(tmp_path):
    assert Recorder(tmp_path, prompts=PROMPTS["de"]).language == "de"
    assert Recorder(tmp_path, prompts=["La la la."]).language == ""
    with pytest.raises(InputError, match="at least one sentence"):
        Recorder(tmp_path, prompts=[])


def test_both_halves_agree_and_the_script_is_valid(tmp_path):
    folder = Path(vcutils.ui.recorder.__file__).parent
    script = (folder / "recorder.js").read_text(encoding="utf-8")
    assert f"const LONGEST = {vcutils.ui.recorder.LONGEST:.0f};" in script
    assert "://" not in script  # nothing is fetched from elsewhere
    for off in ("echoCancellation", "noiseSuppression", "autoGainControl"):
        assert f"{off}: false" in script
    if shutil.which("node"):
        module = shutil.copy(folder / "recorder.js", tmp_path / "recorder.mjs")
        subprocess.run(["node", "--check", module], check=True, capture_output=True)
