"""What the notebooks share: whose voice they work on when a step is missing, experiments, and the checks of exercises."""
import numpy as np
import pytest

from vcutils import course
from vcutils.collect import collect, load_manifest
from vcutils.config import preset
from vcutils.demo import demo_voice
from vcutils.dsp.audio import load_audio
from vcutils.postprocess import export, read_provenance
from vcutils.workspace import open_voice, variant


@pytest.fixture(autouse=True)
def quick_to_train(monkeypatch):
    monkeypatch.setenv("VCUTILS_PRESET", "smoke")


def test_without_a_voice_the_demo_takes_its_place(tmp_path, capsys):
    voice = course.your_voice(needs="train", workspace=tmp_path, progress=False)
    assert voice.done("collect") and voice.done("train") and load_manifest(voice)["consent"]["kind"] == "licence"
    said = capsys.readouterr().out
    assert said.startswith("No voice has been trained yet (notebooks 01 to 03)") and said.count("\n") == 1
    # the ready voice is no voice of the learner's: the next notebook says it again
    assert course.your_voice(needs="collect", workspace=tmp_path, progress=False).name == "demo"
    assert "No voice has been collected yet (notebook 01)" in capsys.readouterr().out


def test_the_step_that_is_missing_is_done_or_named(prepared, tmp_path, capsys):
    import shutil

    shutil.copytree(prepared.folder, tmp_path / "me")
    shutil.rmtree(tmp_path / "me" / "features")
    voice = course.your_voice(needs="preprocess", workspace=tmp_path, progress=False)
    assert voice.name == "me" and voice.done("preprocess")
    assert "'me' has not been preprocessed yet (notebook 02)" in capsys.readouterr().out
    assert course.your_voice(needs="train", workspace=tmp_path, progress=False).name == course.READY
    assert "'me' has not been trained yet (notebook 03)" in capsys.readouterr().out


@pytest.mark.integration
def test_a_missing_take_is_sung(trained, capsys):
    path = course.your_take(trained)
    assert "has not sung yet (notebook 04)" in capsys.readouterr().out
    y, sr = load_audio(path)
    assert np.abs(y).max() > 0.01 and read_provenance(path)["synthetic"] is True
    assert course.your_take(trained) == path and capsys.readouterr().out == ""
    export(path, y, sr, about={**read_provenance(path), "model_sha256": "of an older training"})
    course.your_take(trained)
    assert "was trained again after it sang this song" in capsys.readouterr().out


def test_experiments_are_short_and_take_changes():
    assert course.experiment().steps < preset("quick").steps / 4
    assert course.experiment(gan_steps=0, seed=5).seed == 5


def test_a_variant_is_a_copy_of_its_own(prepared):
    copy = variant(prepared, "another_way")
    assert copy.folder.parent == prepared.folder / "variants"
    assert sorted(p.name for p in copy.recordings.iterdir()) == sorted(p.name for p in prepared.recordings.iterdir())
    assert load_manifest(copy)["consent"] == load_manifest(prepared)["consent"] and not copy.done("train")
    assert open_voice("another_way", workspace=prepared.folder / "variants") == copy


@pytest.mark.parametrize(
    "answer, said",
    [
        (..., "Not answered yet"),
        (100, "Right."),
        (100.4, "Right."),
        (160, "Not yet. That is the hop"),
        (90, "Not yet. It is too low."),
        (np.float32(110), "Not yet. It is too high."),
        ("100", "Not yet."),
        (True, "Not yet."),
    ],
)
def test_checks_say_what_is_wrong(answer, said, capsys):
    course.check(answer, 100, wrong={160: "That is the hop in samples."}, tolerance=0.01)
    assert capsys.readouterr().out.startswith(said)


def test_the_voice_collected_last_is_the_one_even_if_it_was_collected_before(tmp_path):
    for name, recordings in (("anna", "slt"), ("bob", "rms"), ("anna", "slt")):
        collect(demo_voice(recordings), open_voice(name, workspace=tmp_path), consent="self", progress=False)
    (tmp_path / "bob copy").mkdir()
    (tmp_path / "bob copy" / "collect.json").write_bytes((tmp_path / "bob" / "collect.json").read_bytes())
    assert course.your_voice(workspace=tmp_path, progress=False).name == "anna"


def test_a_ready_voice_that_was_half_copied_is_copied_again(tmp_path):
    voice = course.your_voice(needs="train", workspace=tmp_path, progress=False)
    whole = voice.model.read_bytes()
    voice.model.write_bytes(whole[:1000])
    assert course.your_voice(needs="train", workspace=tmp_path, progress=False).model.read_bytes() == whole
