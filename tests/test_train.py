"""Step 3: it trains, stops, goes on after being killed, keeps the best, and leaves nothing half-written."""
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from vcutils.collect import collect
from vcutils.config import preset
from vcutils.dsp.audio import load_audio
from vcutils.dsp.f0 import estimate_f0
from vcutils.dsp.features import Features
from vcutils.errors import InputError
from vcutils.generate import convert
from vcutils.model import load_model
from vcutils.preprocess import preprocess
from vcutils.train import _evaluate, _hold_out, _other_voices, _plateau, train
from vcutils.workspace import open_voice

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore:Even though the:UserWarning")]
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def fresh(prepared, tmp_path):
    """A preprocessed voice of one's own."""
    import shutil

    shutil.copytree(prepared.folder, tmp_path / "w" / "slt")
    return open_voice("slt", workspace=tmp_path / "w")


@pytest.fixture
def eager():
    """For a few steps, running them as they are is quicker than compiling them."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def test_training_writes_a_voice_that_says_where_it_is_from(trained):
    about = load_model(trained.model).about
    assert about["consent"]["kind"] == "licence"
    assert about["recordings"] and all(len(v) == 64 for v in about["recordings"].values())
    training = about["training"]
    assert training["steps"] == 40 and training["kept_step"] == 40
    assert "step 40 of 40 were kept" in training["reason"]
    assert [h["step"] for h in training["history"]] == [10, 20, 30, 40]


def test_it_learns(trained):
    history = load_model(trained.model).about["training"]["history"]
    assert history[-1]["stft"] < history[0]["stft"] - 0.05
    assert history[-1]["held_out"] < history[0]["held_out"]


def test_previews_can_be_heard_and_are_marked(trained):
    previews = sorted(trained.training.glob("preview_*.wav"))
    assert len(previews) == 4
    y, sr = sf.read(previews[-1])
    assert sr == 16000 and 0.01 < np.sqrt(np.mean(y**2)) and np.abs(y).max() < 1
    with sf.SoundFile(previews[-1]) as f:
        assert "synthetic" in f.comment.lower()


def test_a_finished_training_is_not_repeated(trained):
    result = train(trained, config=preset("smoke"), progress=False, on_step=lambda *_: pytest.fail("it took a step"))
    assert result["finished"] and result["resumed_at"] == result["steps"] == 40


def test_a_new_consent_reaches_the_finished_voice(trained, fresh):
    fresh.model.write_bytes(trained.model.read_bytes())
    manifest = json.loads(fresh.manifest.read_text())
    manifest["consent"]["note"] = "asked again"
    fresh.manifest.write_text(json.dumps(manifest))
    train(fresh, config=preset("smoke"), progress=False, on_step=lambda *_: pytest.fail("it took a step"))
    assert load_model(fresh.model).about["consent"]["note"] == "asked again"


def test_a_quarter_at_most_is_held_out_and_something_always():
    for seconds in ([11.0], [1, 11.5], [3, 11], [0.6, 0.6, 10], [5] * 20, [12] * 40, [1.0] * 6):
        u = [Features(np.zeros(round(s * 100) * 160), *(np.ones(round(s * 100)) for _ in range(2)), np.zeros((round(s * 100), 80))) for s in seconds]
        kept, held_out = _hold_out(u, preset("smoke"))
        share = sum(len(x.f0) for x in held_out) / sum(len(x.f0) for x in kept + held_out)
        assert 0 < share <= 0.25 and len(kept) >= 4  # so that each has others to find neighbours in
        assert all(len(x.y) == len(x.f0) * 160 for x in kept + held_out)


def test_the_cloned_voice_is_not_among_the_others(trained, prepared):
    manifest = json.loads(trained.manifest.read_text())
    assert _other_voices(manifest) == ["rms"]
    assert _other_voices({"files": [{"sha256": "0" * 64}]}) == ["slt", "rms"]


def test_a_changed_setting_or_a_damaged_voice_trains_anew(trained, fresh, eager):
    for found in (trained.model.read_bytes(), trained.model.read_bytes()[:5000]):
        fresh.model.write_bytes(found)
        steps = []
        result = train(fresh, config=preset("smoke", steps=2, gan_steps=0, evaluate_every=1), progress=False, on_step=lambda *_: steps.append(1))
        assert len(steps) == 2 and result["resumed_at"] == 0
        assert load_model(fresh.model).about["training"]["steps"] == 2
        (fresh.training / "checkpoint.npz").unlink()


def test_stopped_training_goes_on_where_it_stopped(trained, fresh):
    taken = []

    def stop_at_17(step, total):
        taken.append(1)
        return len(taken) == 17

    first = train(fresh, config=preset("smoke"), progress=False, on_step=stop_at_17)
    assert not first["finished"] and first["steps"] == 17 and "run it again" in first["reason"]
    assert not fresh.model.exists()
    second = train(fresh, config=preset("smoke"), progress=False, on_step=lambda *_: taken.append(1))
    assert second["resumed_at"] == 17 and len(taken) == 40  # no step was taken twice
    ours, through = second["history"], load_model(trained.model).about["training"]["history"]
    for a, b in zip(ours, through):
        assert a["step"] == b["step"]
        assert a["stft"] == pytest.approx(b["stft"], rel=0.02)  # the order of additions differs between runs
        assert a["held_out"] == pytest.approx(b["held_out"], rel=0.02)


def test_killed_training_goes_on(trained, fresh):
    """SIGKILL in the middle, run again: the same losses, and what a checkpoint holds is not repeated."""
    code = (
        "from vcutils.config import preset; from vcutils.train import train; from vcutils.workspace import open_voice; import json;"
        f"r = train(open_voice('slt', workspace={str(fresh.folder.parent)!r}), config=preset('smoke'), progress=False);"
        "print(json.dumps(dict(at=r['resumed_at'], losses=[h['stft'] for h in r['history']])))"
    )
    command = dict(args=[sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    checkpoint = fresh.training / "checkpoint.npz"
    with subprocess.Popen(**command) as process:
        deadline = time.monotonic() + 120
        while not checkpoint.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        process.kill()
    assert process.returncode == -signal.SIGKILL if os.name == "posix" else True
    assert checkpoint.exists() and not fresh.model.exists()
    with np.load(checkpoint) as stored:
        kept = json.loads(str(stored["meta"]))["step"]
    done = subprocess.run(**command, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["at"] == kept > 0
    through = [h["stft"] for h in load_model(trained.model).about["training"]["history"]]
    np.testing.assert_allclose(result["losses"], through, rtol=0.02)
    assert "WARNING" not in done.stderr and "oneDNN" not in done.stderr  # TensorFlow starts quietly
    leftovers = [p.name for p in fresh.folder.rglob(".part-*")]
    assert len(leftovers) <= 1  # the file that was being written when it was killed, under its temporary name


def test_damaged_checkpoint_is_named(fresh):
    fresh.training.mkdir()
    (fresh.training / "checkpoint.npz").write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(InputError, match="checkpoint.npz is damaged; delete it"):
        train(fresh, config=preset("smoke"), progress=False)


def test_missing_steps_are_named(tmp_path):
    with pytest.raises(InputError, match="nobody"):
        train(open_voice("nobody", workspace=tmp_path), config=preset("smoke"), progress=False)


def test_features_of_other_settings_are_refused(fresh):
    with pytest.raises(InputError, match="other settings"):
        train(fresh, config=preset("smoke", n_mels=64), progress=False)


def test_first_phase_ends_early_when_nothing_more_is_learned():
    scores = [2.0, 1.5, 1.2, 1.199, 1.2, 1.201, 1.2]
    history = [dict(held_out=s) for s in scores]
    assert _plateau(history, 4) and not _plateau(history[:6], 4)
    assert not _plateau([dict(held_out=2.0 - 0.1 * i) for i in range(10)], 4)


def test_the_last_weights_that_are_near_the_best_are_kept():
    class Scored:
        """Stands in for a trainer whose scores are known: its weights are the number of the evaluation."""

        def __init__(self):
            self.generator, self.scores, self.done = self, [2.0, 1.0, 1.04, 1.2, 1.03, 5.0], 0

        def evaluate(self, check):
            self.done += 1
            return self.scores[self.done - 1]

        def get_weights(self):
            return self.done

    trainer, state, kept = Scored(), dict(step=0, history=[], best=None), []
    for _ in trainer.scores:
        state["step"] += 1
        _evaluate(trainer, state, check=None, losses={})
        kept.append(state["best"]["weights"])
    assert kept == [1, 2, 3, 3, 5, 5]


def test_early_end_keeps_all_adversarial_steps_and_says_why(fresh, eager):
    config = preset("smoke", steps=40, gan_steps=4, evaluate_every=2, patience=1, learning_rate=0.0)
    taken = []
    train(fresh, config=config, progress=False, on_step=lambda *_: taken.append(1) or len(taken) == 6)
    result = train(fresh, config=config, progress=False)  # an early end survives an interruption
    assert result["resumed_at"] == 6 and result["steps"] == 8  # two evaluations without progress, then the four steps
    assert "ended after 4 steps" in result["reason"]


def test_studio_trains_and_sings_at_44_khz(voices, sing, tmp_path):
    """The GPU preset with its own networks, for two steps of each phase: in tune, in time, and as bright as the recordings."""
    voice = open_voice("kerstin", workspace=tmp_path)
    recordings = sorted((voices / "targets/kerstin_de_f/train").iterdir())[:4]
    collect(recordings, voice, consent="licence", note="CC0", progress=False)
    config = preset("studio", steps=2, gan_steps=2, batch_size=2, segment_frames=48, evaluate_every=2, checkpoint_every=2)
    preprocess(voice, config=config, progress=False)
    assert train(voice, config=config, progress=False)["finished"]
    sung = convert(voice, (sing(3.0, sr=44100, f0=220.0), 44100), key=0)
    assert sung["sr"] == 44100 and len(sung["y"]) == 3 * 44100
    before, after = (estimate_f0(y, sr=44100, hop_length=441) for y in (sing(3.0, sr=44100, f0=220.0), sung["y"]))
    both = (before > 0) & (after > 0)
    assert both.mean() > 0.6 and np.median(np.abs(1200 * np.log2(after[both] / before[both]))) < 10

    def brightness(y):
        """Level above 8 kHz, dB below the whole."""
        power = np.abs(np.fft.rfft(y)) ** 2
        return 10 * np.log10(power[np.fft.rfftfreq(len(y), 1 / 44100) > 8000].sum() / power.sum())

    spoken = np.concatenate([load_audio(path, sr=44100)[0] for path in recordings])
    assert abs(brightness(sung["y"]) - brightness(spoken)) < 10
