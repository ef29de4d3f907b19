"""Uploads, verdicts and the list of clips: nothing leaves its folder, both ipywidgets work, the words are right."""
import numpy as np
import pytest

from vcutils.collect import check_recording, find_recordings
from vcutils.dsp.audio import load_audio, save_audio
from vcutils.errors import InputError
from vcutils.ui.clips import Review, judge, save_upload, uploads

SR = 16000


@pytest.fixture
def clips(tmp_path, sing):
    """A good clip, one that was cut off at its peaks, one in noise, one too quiet, one of silence."""
    y = sing(4)
    noise = np.random.default_rng(0).standard_normal(len(y))
    sounds = {"good": y, "clipped": np.clip(8 * y, -0.9, 0.9), "noisy": y + 0.1 * noise, "quiet": 0.05 * y, "silent": 0 * y}
    return {name: save_audio(tmp_path / f"{name}.wav", sound, SR) for name, sound in sounds.items()}


def test_verdicts_say_what_is_wrong(clips):
    verdicts = judge(clips.values(), check=check_recording, progress=False)
    said = {path.stem: words for path, words in verdicts.items()}
    assert said["good"] == "good"
    assert said["clipped"].startswith("leave out: Turn the gain down")
    assert said["noisy"].startswith("leave out: Record in a quieter room")
    assert said["quiet"].startswith("usable: Turn the gain up")
    assert said["silent"].startswith("leave out: ") and "silent" in said["silent"]


def test_what_is_to_be_left_out_is_not_ticked(clips):
    verdicts = judge(clips.values(), check=check_recording, progress=False)
    review = Review(verdicts)
    assert [path.stem for path in review.kept] == ["good", "quiet"]
    box, play, words = review.children[-1].children[0].children
    assert (box.description, words.value) == ("good.wav", "good")
    box.value = False
    assert [path.stem for path in review.kept] == ["quiet"]


def test_a_clip_plays(clips, tmp_path):
    review = Review({clips["good"]: "good", tmp_path / "gone.wav": "good"})
    assert len(review.children) == 2
    for row in review.children[-1].children:
        row.children[1].click()
    line, player, _ = review.children
    assert "does not exist" in line.value
    heard = save_upload(tmp_path / "heard", "a.wav", player.value)
    assert np.array_equal(load_audio(heard)[0], load_audio(clips["good"])[0])


@pytest.mark.parametrize(
    "name, becomes",
    [
        ("../../outside.wav", "outside.wav"),
        ("/etc/passwd", "passwd"),
        ("C:\\music\\a.wav", "a.wav"),
        ("...hidden.wav", "hidden.wav"),
        ("..", "upload"),
        ("", "upload"),
        ("a\x00b\n:.wav", "a_b__.wav"),
        ("声 ü.wav", "声 ü.wav"),
        ("x" * 300 + ".wav", "x" * 196 + ".wav"),
        ("😀" * 300 + ".wav", "😀" * 49 + ".wav"),
        ("half \ud83d.wav", "half ?.wav"),
    ],
)
def test_names_stay_inside_the_folder(tmp_path, name, becomes):
    path = save_upload(tmp_path / "in", name, b"sound")
    assert path == tmp_path / "in" / becomes and path.read_bytes() == b"sound"
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_equal_names_do_not_overwrite_each_other(tmp_path):
    names = [save_upload(tmp_path, "a.wav", content).name for content in (b"one", b"two", b"three", b"two")]
    assert names == ["a.wav", "a_2.wav", "a_3.wav", "a_2.wav"]


@pytest.mark.parametrize("version", [7, 8])
def test_uploads_arrive_from_both_ipywidgets(tmp_path, clips, version):
    content = clips["good"].read_bytes()
    if version == 7:
        value = {"my voice.wav": {"metadata": {"name": "my voice.wav", "size": len(content)}, "content": content}}
    else:
        value = ({"name": "my voice.wav", "size": len(content), "content": memoryview(content)},)
    box = uploads(tmp_path / "in")
    button, said = box.children
    button.notify_change({"name": "value", "old": None, "new": value, "owner": button, "type": "change"})
    assert said.value == f"In {tmp_path / 'in'}: my voice.wav."
    (found,) = find_recordings(tmp_path / "in", unpack_to=tmp_path)
    assert found.read_bytes() == content


def test_an_upload_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "in").write_text("a file where the folder should be")
    button, said = uploads(tmp_path / "in").children
    button.notify_change({"name": "value", "old": (), "new": ({"name": "a.wav", "content": b"x"},), "owner": button, "type": "change"})
    assert "choose another folder" in said.value
    with pytest.raises(InputError):
        save_upload(tmp_path / "in", "a.wav", b"x")
