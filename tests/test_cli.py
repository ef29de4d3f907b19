"""The command line: what it makes, what it says, and what it leaves behind when the input is bad."""
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

import vcutils.collect
from vcutils.cli import main
from vcutils.demo import demo_score, demo_song, demo_voice
from vcutils.dsp.audio import load_audio, save_audio
from vcutils.files import sha256
from vcutils.postprocess import read_provenance

pytestmark = pytest.mark.integration
TINY = ["--preset", "smoke", "--set", "steps=4", "--set", "gan_steps=2", "--set", "evaluate_every=3"]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """A folder of half a minute of speech."""
    folder = tmp_path_factory.mktemp("recordings")
    for path in sorted(demo_voice("rms").iterdir())[:6]:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture(scope="module")
def workspace(recordings, tmp_path_factory):
    """A workspace with the voice "anna", trained for a few steps: it sings badly, but it sings."""
    folder = tmp_path_factory.mktemp("workspace")
    assert main(["clone", str(recordings), "--voice", "anna", "--consent", "self", *TINY, "--workspace", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """Five seconds of the demo song, named with a space and umlauts."""
    y, sr = load_audio(demo_song()[0])
    return save_audio(tmp_path_factory.mktemp("songs") / "ein Lied für Ünal.flac", y[2 * sr:7 * sr], sr)


def everything_in(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def refuse(argv, capsys, *words):
    """`vcutils argv` must end with 2 and one sentence that holds `words`."""
    assert main([str(a) for a in argv]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("vcutils: ") and said.err.count("\n") == 1 and "Traceback" not in said.err
    for word in words:
        assert str(word) in said.err
    assert said.out == ""


# ---- what is refused

def test_wrong_usage_is_one_sentence_that_names_the_help(capsys):
    refuse([], capsys, "COMMAND", "--help")
    refuse(["sing"], capsys, "NAME, SONG", "vcutils sing --help")
    refuse(["dance"], capsys, "dance", "sing")


def test_clone_without_consent_says_how_to_give_it(recordings, tmp_path, capsys):
    refuse(["clone", recordings, "--voice", "x", "--workspace", tmp_path], capsys, "--consent", "self", "permission", "licence")
    refuse(["clone", recordings, "--voice", "x", "--consent", "maybe", "--workspace", tmp_path], capsys, "--consent", "self")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("more, words", [
    (["--preset", "slow"], ["slow", "quick"]),
    (["--set", "stepz=3"], ["stepz", "steps"]),
    (["--set", "steps"], ["--set steps"]),
    (["--set", "steps=many"], ["steps=many", "number"]),
    (["--set", "steps=1.9"], ["steps", "1.9", "whole number"]),
    (["--set", "steps=[1]"], ["steps", "[1]", "whole number"]),
    (["--voice", "../escape"], ["../escape"]),
])
def test_clone_refuses_settings_that_do_not_exist(recordings, tmp_path, capsys, more, words):
    refuse(["clone", recordings, "--voice", "x", "--consent", "self", "--workspace", tmp_path, *more], capsys, *words)
    assert not any(tmp_path.iterdir())


def test_clone_refuses_what_is_not_a_voice(tmp_path, capsys):
    text = tmp_path / "in" / "letter.wav"
    text.parent.mkdir()
    text.write_text("Dear Sir or Madam")
    silence = save_audio(tmp_path / "in" / "silence.wav", np.zeros(32000), 16000)
    for path, word in ((text, "letter.wav"), (silence, "silence.wav"), (tmp_path / "none.wav", "none.wav"), (text.parent, "2 files")):
        refuse(["clone", path, "--voice", "x", "--consent", "self", "--workspace", tmp_path / "out"], capsys, word)
    assert not (tmp_path / "out").exists()


def test_an_unknown_voice_is_named_with_the_known_ones(workspace, song, tmp_path, capsys):
    for command in (["sing", "bob", song, "-o", tmp_path / "a.wav"], ["report", "bob", song, "--source", song]):
        refuse([*command, "--workspace", workspace], capsys, "bob", "anna", "vcutils clone")
    assert not any(tmp_path.iterdir())


def test_sing_refuses_bad_songs_and_writes_nothing(workspace, song, tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "text.wav").write_text("la la la")
    (folder / "empty.flac").touch()
    (folder / "cut.flac").write_bytes(song.read_bytes()[:20000])
    save_audio(folder / "silent.wav", np.zeros(32000), 16000)
    save_audio(folder / "short.wav", np.full(300, 0.1), 16000)
    rng = np.random.default_rng(0)
    save_audio(folder / "noise.wav", 0.1 * rng.standard_normal(48000), 16000)
    sf.write(folder / "nan.wav", np.full(32000, np.nan, np.float32), 16000, subtype="FLOAT")
    files = [*sorted(folder.iterdir()), folder / "missing.wav"]
    before = everything_in(tmp_path)
    for path in files:
        refuse(["sing", "anna", path, "-o", tmp_path / "out.wav", "--workspace", workspace], capsys, path.name)
        refuse(["sing", "anna", song, "-o", tmp_path / "out.wav", "--backing", path, "--workspace", workspace], capsys) \
            if path.name not in ("noise.wav", "short.wav") else None  # a backing may be noise, or short
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize("more, word", [
    (["--key", "high"], "high"), (["--key", "99"], "99"), (["--clarity", "2"], "clarity"), (["--retrieval", "2"], "retrieval"), (["--formant", "x"], "--formant"),
    (["-o", "out.mp3"], "out.mp3"), (["-o", "out"], "write out.wav"), (["--style", "rock"], "no style 'rock'"),
    (["--harmony", "4"], "'4'"), (["--scale", "E minor"], "add --harmony"), (["--balance", "3"], "add --backing"), (["--track", "1"], "--score"),
    (["--perform", "nonsense"], "--score"), (["--lyrics", "none.txt"], "--score"), (["-o", "x" * 300 + ".wav"], "choose another folder or name"),
])
def test_sing_refuses_options_out_of_range(workspace, song, tmp_path, capsys, monkeypatch, more, word):
    monkeypatch.chdir(tmp_path)
    refuse(["sing", "anna", song, *more, "--workspace", workspace], capsys, word)
    assert not any(tmp_path.iterdir())


def test_sing_never_overwrites_the_song(workspace, song, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(song.parent)
    before = sha256(song)
    refuse(["sing", "anna", song.name, "-o", song, "--workspace", workspace], capsys, "song itself")
    assert sha256(song) == before


def test_sing_overwrites_neither_the_backing_nor_a_song_with_the_voice_alone(workspace, song, tmp_path, capsys):
    backing = save_audio(tmp_path / "karaoke.wav", np.full(16000, 0.1), 16000)
    twin = tmp_path / "cover_voice.flac"
    twin.write_bytes(song.read_bytes())
    before = everything_in(tmp_path)
    sing = ["sing", "anna", twin, "--backing", backing, "--workspace", workspace]
    refuse([*sing, "-o", backing], capsys, "the backing itself")
    refuse([*sing, "-o", tmp_path / "cover.flac"], capsys, "the song itself")
    assert everything_in(tmp_path) == before


def test_balance_out_of_range_is_found_before_singing(workspace, song, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("vcutils.generate.convert", lambda *_, **__: pytest.fail("it sang"))
    backing = save_audio(tmp_path / "karaoke.wav", np.full(16000, 0.1), 16000)
    refuse(["sing", "anna", song, "--backing", backing, "--balance", "100", "-o", tmp_path / "a.wav", "--workspace", workspace], capsys, "balance")
    refuse(["sing", "anna", song, "-o", tmp_path / "a.mp3", "--workspace", workspace], capsys, "a.mp3")


def test_bad_options_are_found_before_a_mix_is_separated(workspace, song, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("vcutils.separate.separate", lambda *_, **__: pytest.fail("it separated"))
    for bad, word in ((["--style", "popp"], "popp"), (["--harmony", "4"], "'4'"), (["--clarity", "3"], "clarity"), (["--key", "high"], "high")):
        refuse(["sing", "anna", song, "--from-mix", *bad, "-o", tmp_path / "a.wav", "--workspace", workspace], capsys, word)


def test_two_songs_of_one_name_are_refused_before_either_is_sung(workspace, song, tmp_path, capsys):
    twin = tmp_path / song.name
    twin.write_bytes(song.read_bytes())
    refuse(["sing", "anna", song, twin, "-o", tmp_path / "out", "--workspace", workspace], capsys, "Two songs")
    refuse(["sing", "anna", song, twin, "--workspace", workspace], capsys, "-o FOLDER")
    assert not (tmp_path / "out").exists()


def test_a_damaged_or_foreign_model_is_refused(workspace, song, tmp_path, capsys):
    for content in (b"", b"not a model", (workspace / "anna" / "model.npz").read_bytes()[:5000]):
        (tmp_path / "eve").mkdir(exist_ok=True)
        (tmp_path / "eve" / "model.npz").write_bytes(content)
        refuse(["sing", "eve", song, "-o", tmp_path / "out.wav", "--workspace", tmp_path], capsys, "model.npz")
    assert not (tmp_path / "out.wav").exists()


def test_a_full_disk_leaves_nothing_half_written(workspace, song, small_disk, capsys):
    filler = small_disk / "filler"
    filler.write_bytes(bytes(950_000))
    refuse(["sing", "anna", song, "-o", small_disk / "out.wav", "--workspace", workspace], capsys, "full", "out.wav")
    assert list(small_disk.iterdir()) == [filler]


def test_report_refuses_another_song(workspace, song, tmp_path, capsys):
    out = tmp_path / "out.wav"
    assert main(["sing", "anna", str(song), "-o", str(out), "--workspace", str(workspace)]) == 0
    capsys.readouterr()
    before = everything_in(tmp_path)
    refuse(["report", "anna", out, "--source", demo_song()[0], "--workspace", workspace], capsys, "out.wav", song.name, "--source")
    refuse(["report", "anna", out, "--source", tmp_path / "none.wav", "--workspace", workspace], capsys, "none.wav")
    refuse(["report", "anna", tmp_path / "none.wav", "--source", song, "--workspace", workspace], capsys, "none.wav")
    assert everything_in(tmp_path) == before


# ---- what it makes

def test_clone_reports_the_recordings_and_is_ready_at_once_the_second_time(recordings, workspace, capsys):
    before = everything_in(workspace)
    argv = ["clone", str(recordings), "--voice", "anna", "--consent", "self", *TINY, "--workspace", str(workspace), "--json"]
    assert main(argv) == 0
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert result["voice"] == "anna" and result["summary"]["files"] == 6 and result["steps"] == 6
    assert Path(result["model"]).is_file()
    assert "rms_01.flac" in said.err  # the report for people goes where it does not disturb a program
    after, manifest = everything_in(workspace), workspace / "anna" / "collect.json"
    assert after.pop(manifest) >= before.pop(manifest) and after == before  # but for the date of the last collection


def test_sing_writes_a_marked_file_of_the_songs_length(workspace, song, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["sing", "anna", str(song), "--key", "-2", "--workspace", str(workspace)]) == 0
    out = tmp_path / "anna_ein Lied für Ünal.wav"
    assert str(out.name) in capsys.readouterr().out
    with sf.SoundFile(out) as f:
        assert "ynthetic" in f.comment
        assert f.frames == round(sf.info(song).frames * f.samplerate / 44100)
    made = json.loads(Path(f"{out}.json").read_text(encoding="utf-8"))
    assert made["synthetic"] is True and made["voice"] == "anna" and made["consent"]["kind"] == "self"
    assert made["source"] == {"file": song.name, "sha256": sha256(song)}
    assert made["model_sha256"] == sha256(workspace / "anna" / "model.npz")
    assert made["settings"]["key"] == -2 and made["backing"] is None


def test_sing_with_a_backing_keeps_the_voice_alone_beside_the_mix(workspace, song, tmp_path, capsys):
    backing = save_audio(tmp_path / "backing.ogg", 0.1 * np.random.default_rng(0).standard_normal((2, 6 * 44100)), 44100)
    out = tmp_path / "cover.flac"
    assert main(["sing", "anna", str(song), "-o", str(out), "--backing", str(backing), "--style", "speech", "--workspace", str(workspace), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["songs"][0]["output"] == str(out) and result["songs"][0]["key"] % 12 == 0  # another key would clash
    assert load_audio(out, mono=False)[0].shape == (2, 6 * 44100)
    alone, sr = load_audio(tmp_path / "cover_voice.flac", mono=False)
    assert alone.shape == (1, 5 * sr)
    mix, voice = (json.loads((tmp_path / f"{name}.flac.json").read_text(encoding="utf-8")) for name in ("cover", "cover_voice"))
    assert mix["backing"]["sha256"] == sha256(backing) and voice["backing"] is None
    assert mix["settings"]["style"] == "speech" and mix["settings"]["balance"] == 6  # the style's own

    page = tmp_path / "page.html"
    assert main(["report", "anna", str(out), "--source", str(song), "--page", str(page), "--workspace", str(workspace), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    names = [row["name"] for row in result["rows"]]
    assert names[1:3] == ["recipe", "result"] and "floor" in names[0] and "ceiling" in names[3]
    assert result["rows"][2]["raw_pitch_accuracy"] > 0.9  # the mix, with its noise, would not reach that
    text = page.read_text(encoding="utf-8")
    assert "synthetic" in text and song.name in text and sha256(workspace / "anna" / "model.npz") in text


def test_what_was_sung_from_a_mix_is_measured_against_its_separated_voice(workspace, song, tmp_path, capsys):
    y, sr = load_audio(song)
    mix = save_audio(tmp_path / "mix.wav", 0.5 * y + 0.2 * load_audio(demo_song()[1], mono=False)[0][:, 2 * sr : 2 * sr + len(y)], sr)
    out = tmp_path / "cover.wav"
    assert main(["sing", "anna", str(mix), "--from-mix", "-o", str(out), "--workspace", str(workspace)]) == 0
    capsys.readouterr()
    assert main(["report", "anna", str(out), "--source", str(mix), "--workspace", str(workspace), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["rows"][2]["raw_pitch_accuracy"] > 0.9  # it sings the pitch that was found, right or wrong
    assert "separated with repet" in out.with_suffix(".html").read_text(encoding="utf-8")


def test_sing_skips_a_bad_song_among_many(workspace, song, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "good.flac").write_bytes(song.read_bytes())
    (tmp_path / "in" / "bad.wav").write_text("la la la")
    assert main(["sing", "anna", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--workspace", str(workspace), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [Path(s["output"]).name for s in result["songs"]] == ["good.wav"]
    assert [Path(s["file"]).name for s in result["skipped"]] == ["bad.wav"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["good.wav", "good.wav.json"]


def test_doctor_finds_this_computer_fit(capsys):
    assert main(["doctor", "--json"]) == 0
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    for name in ("Python", "TensorFlow", "WAV files", "FLAC files", "OGG files", "MP3 files", "Disk", "Demo data"):
        assert checks[name]["state"] == "OK", checks[name]
    assert checks["GPU"]["state"] in ("OK", "--")  # a missing GPU is no fault


def test_doctor_says_how_to_mend_what_is_broken(capsys, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("", (), {"free": 1e6}))
    assert main(["doctor"]) == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if "Disk" in line)
    assert line.startswith("[FAIL]") and "free 1 GB" in line


# ---- how it ends

def test_ctrl_c_ends_with_130_and_says_that_it_can_go_on(recordings, tmp_path, capsys, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(vcutils.collect, "collect", interrupted)
    assert main(["clone", str(recordings), "--voice", "x", "--consent", "self", "--workspace", str(tmp_path)]) == 130
    said = capsys.readouterr().err.strip()
    assert "go on from their last checkpoint" in said and "\n" not in said


def test_a_fault_of_ours_ends_with_1_and_shows_its_place_on_request(recordings, tmp_path, capsys, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("wrong\nshape")

    monkeypatch.setattr(vcutils.collect, "collect", broken)
    argv = ["clone", str(recordings), "--voice", "x", "--consent", "self", "--workspace", str(tmp_path)]
    assert main(argv) == 1
    said = capsys.readouterr().err
    assert "fault of ours" in said and "RuntimeError" in said and "--debug" in said and "Traceback" not in said
    with pytest.raises(RuntimeError):
        main([*argv, "--debug"])


def test_help_is_fast_and_loads_neither_tensorflow_nor_librosa():
    began = time.monotonic()
    script = "import sys, vcutils.cli\ntry: vcutils.cli.main(['--help'])\nfinally: print(sorted({'tensorflow', 'keras', 'librosa'} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert said.stdout.endswith("[]\n") and "doctor" in said.stdout
    assert time.monotonic() - began < 2  # 0.1 s on an idle machine


def test_the_module_is_the_command():
    said = subprocess.run([sys.executable, "-m", "vcutils", "sing", "nobody", "x.wav"], capture_output=True, text=True)
    assert said.returncode == 2 and said.stdout == "" and said.stderr.count("\n") == 1 and "Traceback" not in said.stderr


# ---- a score, a text


def test_sing_from_a_score(workspace, tmp_path, capsys):
    melody, words, backing = demo_score("songbie")
    out = tmp_path / "cover.wav"
    argv = ["sing", "anna", "--score", melody, "--lyrics", words, "--backing", backing, "--perform", "vibrato=0.4", "--perform", "breath=none", "-o", out, "--workspace", workspace, "--json"]
    assert main(list(map(str, argv))) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["songs"][0]["source"] == str(melody) and told["songs"][0]["key"] % 12 == 0
    about = read_provenance(out)
    assert about["synthetic"] and about["source"]["file"] == "songbie.mid" and about["source"]["language"] == "cmn"
    assert about["source"]["performance"]["vibrato"] == 0.4 and about["source"]["performance"]["breath"] is None
    y, sr = load_audio(out, mono=False)
    assert y.shape[-1] == load_audio(backing, mono=False)[0].shape[-1]
    alone, _ = load_audio(out.with_stem("cover_voice"))
    assert np.abs(alone).max() > 0.05


def test_options_may_stand_anywhere(workspace, song, tmp_path, capsys):
    out = tmp_path / "out.wav"
    assert main(["sing", "anna", "--key", "2", str(song), "-o", str(out), "--workspace", str(workspace), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["songs"][0]["key"] == 2
    refuse(["sing", "anna", "--loud", song, "-o", out, "--workspace", workspace], capsys, "unrecognized arguments: --loud")


def test_say(workspace, tmp_path, capsys):
    out = tmp_path / "hello.wav"
    assert main(["say", "anna", "Good morning.", "-o", str(out), "--workspace", str(workspace)]) == 0
    assert read_provenance(out)["source"] == {"text": "Good morning."}
    y, sr = load_audio(out)
    assert 0.3 < len(y) / sr < 3 and np.abs(y).max() > 0.05


def test_scores_and_texts_that_cannot_be_sung(workspace, song, tmp_path, capsys):
    melody, words, _ = demo_score("songbie")
    where = ["--workspace", workspace, "-o", tmp_path / "out.wav"]
    refuse(["sing", "anna", song, "--score", melody, *where], capsys, "not both")
    refuse(["sing", "anna", *where], capsys, "--score")
    refuse(["sing", "anna", "--score", tmp_path / "no.mid", *where], capsys, "no.mid", "does not exist")
    refuse(["sing", "anna", "--score", melody, *where], capsys, "songbie.mid", "holds no words")
    refuse(["sing", "anna", "--score", melody, "--lyrics", words, "--language", "xx", *where], capsys, "no language 'xx'")
    refuse(["sing", "anna", "--score", melody, "--lyrics", words, "--perform", "tremolo=1", *where], capsys, "no 'tremolo'", "vibrato")
    refuse(["sing", "anna", "--score", melody, "--lyrics", words, "--perform", "vibrato=much", *where], capsys, "vibrato is a number")
    refuse(["sing", "anna", "--score", melody, "--lyrics", words, "--perform", "seed=-1", *where], capsys, "seed is -1")
    refuse(["sing", "anna", "--score", melody, "--lyrics", words, "--from-mix", *where], capsys, "leave one of them out")
    refuse(["sing", "anna", "--score", melody, "--lyrics", words, "--perform", "vibrato=9", *where], capsys, "vibrato is 9.0; it must be between 0 and 2")
    refuse(["say", "anna", "...", *where], capsys, "nothing to say")
    refuse(["say", "nobody", "hello", *where], capsys, "nobody")
    assert list(tmp_path.iterdir()) == []
