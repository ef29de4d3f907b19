"""Step 1: which recordings are taken, how they are judged, what consent is kept, and that nothing is left half-done."""
import json
import re
import shutil
import struct
import tempfile
import time
import zipfile
from pathlib import Path

import librosa
import numpy as np
import pytest
import scipy.signal
import soundfile as sf

import vcutils.collect
from vcutils.collect import check_recording, collect, find_recordings, format_report, load_manifest, verify_recordings
from vcutils.dsp.audio import load_audio, save_audio
from vcutils.errors import InputError
from vcutils.files import sha256, write_json
from vcutils.workspace import open_voice


@pytest.fixture
def voice(tmp_path):
    return open_voice("me", workspace=tmp_path / "workspace")


@pytest.fixture
def recordings(tmp_path, sing):
    """A folder with 16 s of voice in two files."""
    folder = tmp_path / "recordings"
    save_audio(folder / "one.wav", sing(8), 16000)
    save_audio(folder / "deeper" / "zwei ü 声.flac", sing(8, f0=200), 16000)
    return folder


def take(paths, voice, **options):
    return collect(paths, voice, **{"consent": "self", "progress": False, **options})


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def one_sentence(error):
    text = str(error.value)
    assert "\n" not in text and ". " not in text and text.endswith("."), text
    return text


@pytest.fixture(scope="module")
def collected(tmp_path_factory, sing):
    """The folder of a voice that has been collected; tests copy it."""
    folder = tmp_path_factory.mktemp("collected")
    voice = open_voice("me", workspace=folder)
    take(save_audio(folder / "one.wav", sing(14), 16000), voice)
    return voice.folder


# what is taken


def test_folder_file_and_zip_give_the_same_recordings(tmp_path, recordings, voice):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in recordings.rglob("*.*"):
            archive.write(path, path.relative_to(recordings))
        archive.writestr("__MACOSX/._one.wav", b"resource fork")
        archive.writestr("deeper/.hidden.wav", b"hidden")
        archive.writestr("notes.txt", "text")
    taken = [
        {f["sha256"] for f in take(paths, voice)["files"]}
        for paths in (recordings, str(recordings), sorted(recordings.rglob("*.*")), tmp_path / "all.zip")
    ]
    assert taken == [{sha256(p) for p in recordings.rglob("*.*") if p.is_file()}] * 4


def test_copies_are_unaltered_and_named_for_every_file_system(recordings, voice):
    manifest = take(recordings, voice)
    for file in manifest["files"]:
        copy = voice.recordings / file["file"]
        assert copy.read_bytes() == Path(file["original"]).read_bytes() and sha256(copy) == file["sha256"]
        assert copy.name.isascii() and copy.name == copy.name.lower()
    assert len(list(voice.recordings.iterdir())) == 2


def test_files_of_one_name_are_both_kept_and_equal_files_once(tmp_path, recordings, sing, voice):
    save_audio(recordings / "deeper" / "one.wav", sing(8, f0=250), 16000)
    shutil.copy(recordings / "one.wav", recordings / "again.wav")
    manifest = take(recordings, voice)
    assert len(manifest["files"]) == 3 and len(list(voice.recordings.iterdir())) == 3
    assert "is the same as" in manifest["skipped"][0]["why"]


def test_two_zips_of_one_name_do_not_mix(tmp_path, sing, voice):
    for number in (1, 2):
        save_audio(tmp_path / "a.wav", sing(8, f0=100 * number), 16000)
        (tmp_path / str(number)).mkdir()
        with zipfile.ZipFile(tmp_path / str(number) / "talk.zip", "w") as archive:
            archive.write(tmp_path / "a.wav", "a.wav")
    manifest = take([tmp_path / "1" / "talk.zip", tmp_path / "2" / "talk.zip"], voice)
    assert [Path(f["original"]).as_posix() for f in manifest["files"]] == ["talk.zip/a.wav", "talk.zip+/a.wav"]


def test_new_recordings_replace_the_old(collected, sing, tmp_path, voice):
    shutil.copytree(collected, voice.folder)
    (voice.recordings / "left by a run that was killed.wav").touch()
    other = save_audio(tmp_path / "other.wav", sing(16, f0=220), 16000)
    take(other, voice)
    assert [sha256(p) for p in voice.recordings.iterdir()] == [sha256(other)]
    verify_recordings(voice)


def test_same_again_costs_nothing_and_changes_nothing(recordings, voice, monkeypatch):
    (recordings / "broken.wav").write_text("no sound")
    first = take(recordings, voice)
    before = {p: p.stat().st_mtime_ns for p in voice.folder.rglob("*")}
    content = voice.manifest.read_bytes()

    def must_not_run(path):
        raise AssertionError(f"{path} was judged again")

    with monkeypatch.context() as m:
        m.setattr(vcutils.collect, "check_recording", must_not_run)
        assert take(recordings, voice) == first
    now = {p: p.stat().st_mtime_ns for p in voice.folder.rglob("*")}
    assert now.pop(voice.manifest) > before.pop(voice.manifest)  # the course goes on with the voice that was collected last
    assert now == before and voice.manifest.read_bytes() == content
    # but another note, or a recording that went missing, counts
    assert take(recordings, voice, note="by myself")["consent"]["note"] == "by myself"
    (voice.recordings / first["files"][0]["file"]).unlink()
    take(recordings, voice)
    verify_recordings(voice)


# consent


@pytest.mark.parametrize("consent", [None, "", "yes"])
def test_no_consent_no_voice(recordings, voice, consent):
    with pytest.raises(InputError, match="consent") as error:
        take(recordings, voice, consent=consent)
    text = one_sentence(error)
    assert all(word in text for word in ("'self'", "'permission'", "'licence'", "consent=", "--consent")), text
    assert not voice.folder.exists()


def test_consent_is_kept_with_the_digests(recordings, voice):
    take(recordings, voice, consent="permission", note="Änne, by letter")
    manifest = load_manifest(voice)
    assert manifest["consent"]["kind"] == "permission" and manifest["consent"]["note"] == "Änne, by letter"
    assert time.strptime(manifest["consent"]["date"], "%Y-%m-%d")
    assert manifest == json.loads(voice.manifest.read_text(encoding="utf-8"))
    assert all(len(f["sha256"]) == 64 for f in manifest["files"])


def test_a_missing_note_is_asked_for_but_no_obstacle(recordings, voice):
    assert any("which licence" in a for a in take(recordings, voice, consent="licence")["advice"])
    assert not any("licence" in a for a in take(recordings, voice, consent="licence", note="CC0")["advice"])


@pytest.mark.parametrize("damage", ["byte", "gone", "consent", "version", "list", "entry", "text"])
def test_what_changed_after_the_consent_is_refused(collected, voice, damage):
    shutil.copytree(collected, voice.folder)
    manifest = load_manifest(voice)
    path = voice.recordings / manifest["files"][0]["file"]
    if damage == "byte":
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    elif damage == "gone":
        path.unlink()
    elif damage == "text":
        voice.manifest.write_text("{")
    else:
        write_json(voice.manifest, {"consent": {**manifest, "consent": {}}, "version": {**manifest, "version": 99}, "list": [], "entry": {**manifest, "files": [{}]}}[damage])
    with pytest.raises(InputError) as error:
        verify_recordings(voice)
    assert str(path if damage in ("byte", "gone") else voice.manifest) in one_sentence(error)


def test_nothing_collected_yet(voice):
    with pytest.raises(InputError, match="'me' has no result of step 'collect'"):
        verify_recordings(voice)


# bad input: each gets one sentence, and nothing is left


def write_bad(kind, path, sing):
    """Make the file that `kind` names; return what its sentence says."""
    y = sing(8).copy()
    if kind == "text":
        path.write_text("I am text.\n" * 500)
        return "not a WAV"
    if kind == "empty":
        path.touch()
        return "is empty"
    if kind == "cut":
        sf.write(path, y, 16000)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        return "cut short|is damaged"
    if kind == "short":
        y, why = y[:1600], "lasts only 0.10 s"
    elif kind == "silent":
        y, why = np.zeros(160000), "is silent"
    elif kind == "noise":
        y, why = np.random.default_rng(0).uniform(-0.1, 0.1, 160000), "no voice in it"
    elif kind == "nan":
        y[100], why = np.nan, "NaN or infinity"
    elif kind == "inf":
        y[100], why = np.inf, "NaN or infinity"
    elif kind == "little":
        y, why = y, "at least 10 s; record about [0-9]+ s more"
    sf.write(path, y, 16000, **({"subtype": "FLOAT"} if path.suffix == ".wav" else {}))
    return why


BAD = [(kind, "wav") for kind in ("text", "empty", "cut", "short", "silent", "noise", "nan", "inf", "little")]
BAD += [("cut", "flac"), ("cut", "mp3")]


@pytest.mark.parametrize("kind, suffix", BAD)
def test_bad_file_alone(tmp_path, sing, voice, kind, suffix):
    path = tmp_path / f"Datei ü.{suffix}"
    why = write_bad(kind, path, sing)
    with pytest.raises(InputError, match=why) as error:
        take(path, voice)
    assert str(path) in one_sentence(error)
    assert not voice.folder.exists()


def test_bad_files_among_good_ones(recordings, sing, voice):
    whys = {}
    for kind, suffix in BAD:
        if kind != "little":
            path = recordings / f"bad {kind}.{suffix}"
            whys[str(path)] = write_bad(kind, path, sing)
    manifest = take(recordings, voice)
    assert len(manifest["files"]) == 2
    why = {s["file"]: s["why"] for s in manifest["skipped"]}
    assert why.keys() == whys.keys()
    for path in whys:
        assert path in why[path] and re.search(whys[path], why[path])
        assert why[path] in format_report(manifest)


def test_phone_formats_are_named_rather_than_overlooked(recordings, voice):
    (recordings / "memo.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(1000))
    assert "memo.m4a" in take(recordings, voice)["skipped"][0]["why"]


def test_all_bad(tmp_path, sing, voice):
    for kind in ("text", "empty", "silent"):
        write_bad(kind, tmp_path / f"{kind}.wav", sing)
    with pytest.raises(InputError, match="None of the 3 files can be used; the first: .*empty.wav") as error:
        take(tmp_path, voice)
    one_sentence(error)
    assert not voice.folder.exists()


def test_failure_leaves_the_earlier_state(collected, tmp_path, sing, voice):
    shutil.copytree(collected, voice.folder)
    before = contents(voice.folder)
    write_bad("little", tmp_path / "little.wav", sing)
    with pytest.raises(InputError):
        take(tmp_path / "little.wav", voice)
    assert contents(voice.folder) == before


@pytest.mark.parametrize("subtype, sr, channels", [("PCM_U8", 16000, 1), ("PCM_24", 96000, 1), ("PCM_16", 48000, 6)])
def test_unusual_recordings_are_taken(tmp_path, sing, voice, subtype, sr, channels):
    path = tmp_path / "a.wav"
    sf.write(path, np.tile(sing(14, sr=sr)[:, None], channels), sr, subtype=subtype)
    manifest = take(path, voice)
    assert manifest["summary"]["seconds"] == 14 and 145 < manifest["summary"]["f0_median"] < 155


def test_nothing_to_take(tmp_path, voice):
    (tmp_path / "notes.txt").write_text("text")
    for paths, why in ((tmp_path, "holds no recordings"), (tmp_path / "nowhere", "does not exist"), ([], "No recordings were given")):
        with pytest.raises(InputError, match=why) as error:
            take(paths, voice)
        one_sentence(error)


def test_unreadable_folder_and_file(unprivileged, sing):
    folder, drop = unprivileged
    voice = open_voice("me", workspace=folder / "workspace")
    for name in ("open", "closed"):
        save_audio(folder / name / f"{name}.wav", sing(14), 16000)
    (folder / "closed").chmod(0)
    with drop(), pytest.raises(InputError, match="cannot be opened") as error:
        take(folder / "closed", voice)
    assert str(folder / "closed") in one_sentence(error)
    with drop(), pytest.raises(InputError, match="closed.wav cannot be opened"):
        take(folder / "closed" / "closed.wav", voice)
    assert not voice.folder.exists()

    secret = save_audio(folder / "open" / "secret.wav", sing(3), 16000)
    secret.chmod(0)
    with drop():
        manifest = take(folder / "open", voice)
    assert [s["file"] for s in manifest["skipped"]] == [str(secret)]


def test_full_disk_leaves_the_earlier_state(small_disk, tmp_path, sing):
    voice = open_voice("me", workspace=small_disk)
    take(save_audio(tmp_path / "first.wav", sing(14), 16000), voice)  # 0.45 MB of 1 MB
    before = contents(small_disk)
    more = [save_audio(tmp_path / f"{n}.wav", sing(9, f0=100 + 10 * n), 16000) for n in range(3)]
    with pytest.raises(InputError, match="disk is full") as error:
        take(more, voice)
    one_sentence(error)
    assert contents(small_disk) == before
    verify_recordings(voice)


def test_full_disk_at_first_leaves_nothing(small_disk, recordings):
    (small_disk / "filler").write_bytes(bytes(700_000))
    with pytest.raises(InputError, match="disk is full"):
        take(recordings, open_voice("me", workspace=small_disk))
    assert [p.name for p in small_disk.iterdir()] == ["filler"]


def test_workspace_that_cannot_be_made(tmp_path, recordings):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        take(recordings, open_voice("me", workspace=tmp_path / "file"))


# zips from strangers


@pytest.fixture
def unpacked(tmp_path, monkeypatch):
    """Where zips are unpacked."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize("name", ["../evil.wav", "a/../../evil.wav", "/etc/evil.wav", "C:/evil.wav", "..\\evil.wav", "../evil.txt"])
def test_zip_that_leads_outside(tmp_path, recordings, voice, unpacked, name):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.write(recordings / "one.wav", "good.wav")
        archive.writestr(name, (recordings / "one.wav").read_bytes())
    before = contents(tmp_path)
    with pytest.raises(InputError, match="bad.zip is refused: its entry .* leads outside") as error:
        take([recordings, tmp_path / "bad.zip"], voice)
    one_sentence(error)
    assert contents(tmp_path) == before and not list(unpacked.iterdir())


def test_zip_bombs(tmp_path, voice, unpacked, monkeypatch):
    def zips():
        with zipfile.ZipFile(tmp_path / "ratio.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.wav", bytes(30_000_000))
        yield "ratio.zip"
        with zipfile.ZipFile(tmp_path / "number.zip", "w") as archive:
            for number in range(5001):
                archive.writestr(f"{number}.wav", b"")
        yield "number.zip"
        monkeypatch.setattr(vcutils.collect, "_MAX_ZIP_BYTES", 1000)  # the real limit takes long to reach
        with zipfile.ZipFile(tmp_path / "size.zip", "w") as archive:
            archive.writestr("a.wav", np.random.default_rng(0).bytes(2000))
        yield "size.zip"

    for name in zips():
        with pytest.raises(InputError, match=f"{name} is refused: it would unpack to") as error:
            take(tmp_path / name, voice)
        one_sentence(error)
        assert not list(unpacked.iterdir()) and not voice.folder.exists()


def test_zip_that_lies_about_its_size(tmp_path, voice, unpacked):
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.wav", bytes(30_000_000))
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", 30_000_000), struct.pack("<I", 1000)))
    with pytest.raises(InputError, match="liar.zip cannot be unpacked: it is damaged"):
        take(path, voice)
    assert not list(unpacked.iterdir()) and not voice.folder.exists()


def test_zip_that_is_none_cut_or_locked(tmp_path, recordings, voice, unpacked):
    path = tmp_path / "a.zip"
    path.write_text("no zip")
    with pytest.raises(InputError, match="a.zip cannot be unpacked: it is damaged or no zip") as error:
        take(path, voice)
    one_sentence(error)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(recordings / "one.wav", "one.wav")
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[1000:1100] = bytes(100)
    for data in (whole[:-200], bytes(damaged)):
        path.write_bytes(data)
        with pytest.raises(InputError, match="a.zip cannot be unpacked"):
            take(path, voice)
    locked = bytearray(whole)
    locked[6] |= 1  # the flag for "encrypted", in both headers
    locked[whole.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(locked)
    with pytest.raises(InputError, match="a.zip is protected by a password") as error:
        take(path, voice)
    one_sentence(error)
    assert not list(unpacked.iterdir()) and not voice.folder.exists()


def test_no_room_to_unpack(small_disk, tmp_path, voice, monkeypatch):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.wav", np.random.default_rng(0).bytes(2_000_000))
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    with pytest.raises(InputError, match="a.zip cannot be unpacked into .*No space left") as error:
        take(tmp_path / "a.zip", voice)
    one_sentence(error)
    assert not list(small_disk.iterdir()) and not voice.folder.exists()


def test_find_recordings_is_sorted_and_leaves_hidden_files(tmp_path):
    for name in ("b.wav", "A.FLAC", ".hidden.wav", "__MACOSX/x.wav", ".cache/x.wav", "c/d.ogg", "text.txt", "inner.zip"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_recordings(tmp_path, unpack_to=tmp_path / "zip")
    assert [p.relative_to(tmp_path).as_posix() for p in found] == ["A.FLAC", "b.wav", "c/d.ogg"]


# the report


def test_report_of_a_known_sound(tmp_path, sing):
    y = sing(10, f0=150, peak=0.5)
    report = check_recording(save_audio(tmp_path / "a.wav", y, 16000))
    assert report["seconds"] == 10
    assert abs(report["voiced_seconds"] - 8) < 0.5  # it sounds for 0.8 s of each second
    assert abs(report["peak_db"] - -6.02) < 0.01
    level = 20 * np.log10(np.sqrt(np.mean(y.reshape(10, -1)[:, :12800] ** 2)))
    assert abs(report["rms_db"] - level) < 0.5
    assert abs(report["f0_median"] - 150) < 2
    assert abs(report["f0_low"] - 150 * 0.97) < 3 and abs(report["f0_high"] - 150 * 1.03) < 3  # it glides by 3 %
    assert report["clipped_share"] == 0 and report["advice"] == []


@pytest.fixture(scope="module")
def speech(voices):
    """20 s of clean speech at 22.05 kHz."""
    files = sorted((voices / "targets/ljspeech_en_f/train").glob("*.wav"))
    return np.concatenate([load_audio(p)[0] for p in files])[: 20 * 22050], 22050


def test_clean_speech_needs_no_advice(tmp_path, speech):
    y, sr = speech
    report = check_recording(save_audio(tmp_path / "a.wav", y, sr))
    assert report["advice"] == [] and report["verdict"] == "good"
    assert report["snr_db"] > 35 and report["bandwidth_hz"] > 10000 and report["clipped_share"] < 1e-5
    assert 180 < report["f0_median"] < 260


def spoil(y, sr, how):
    """A copy of clean speech with one fault: the sound, what the advice begins with, a key and its bounds."""
    rng = np.random.default_rng(0)
    if how == "clipped":
        return np.clip(8 * y, -1, 1), "Turn the gain down", "clipped_share", (0.01, 0.3)
    if how == "clipped, then turned down":
        return np.clip(8 * y, -1, 1) * 0.5, "Turn the gain down", "clipped_share", (0.01, 0.3)
    if how == "noisy":
        voiced_db = 20 * np.log10(np.std(y)) + 2  # pauses lower the level of the whole by about 2 dB
        return 0.5 * (y + 10 ** ((voiced_db - 12) / 20) * rng.standard_normal(len(y))), "Record in a quieter room", "snr_db", (9, 15)
    if how == "telephone":
        low = librosa.resample(librosa.resample(y, orig_sr=sr, target_sr=8000), orig_sr=8000, target_sr=sr)
        return low[: len(y)], "Use the original file", "bandwidth_hz", (3500, 4200)
    if how == "quiet":
        return 0.12 * y, "Turn the gain up a little", "rms_db", (-38, -32)
    if how == "very quiet":
        return 0.02 * y, "Turn the gain up or move closer", "rms_db", (-58, -48)
    if how == "offset":
        return 0.5 * y + 0.25, "Nothing to do now, but check the sound card", "dc_offset", (0.24, 0.26)


@pytest.mark.parametrize("how", ["clipped", "clipped, then turned down", "noisy", "telephone", "quiet", "very quiet", "offset"])
def test_each_fault_gets_its_advice_and_no_other(tmp_path, speech, how):
    y, advice, key, (low, high) = spoil(*speech, how)
    report = check_recording(save_audio(tmp_path / "a.wav", y, speech[1]))
    assert low < report[key] < high, report
    assert len(report["advice"]) == 1 and report["advice"][0].startswith(advice), report
    light = "leave out" if how in ("clipped", "clipped, then turned down", "telephone", "very quiet") else "usable"
    assert report["verdict"] == f"{light}: {report['advice'][0]}"


def test_a_voice_without_a_pause_is_not_called_noisy(tmp_path):
    y = 0.1 * scipy.signal.sawtooth(2 * np.pi * 150 * np.arange(2 * 16000) / 16000)
    report = check_recording(save_audio(tmp_path / "a.wav", y, 16000))
    assert report["snr_db"] is None and report["verdict"] == "good"


def test_clipping_survives_mp3(tmp_path, speech):
    y, sr = speech
    sf.write(tmp_path / "a.mp3", np.clip(8 * y, -1, 1), sr)
    assert check_recording(tmp_path / "a.mp3")["advice"][0].startswith("Turn the gain down")


def test_whole_voice(voices, voice):
    folder = voices / "targets/ljspeech_en_f/train"
    start = time.perf_counter()
    manifest = take(folder, voice, consent="licence", note="public domain")
    assert time.perf_counter() - start < 15  # 1.2 s on two free cores
    summary = manifest["summary"]
    files = manifest["files"]
    assert summary["files"] == len(files) == 24 and not manifest["skipped"]
    assert abs(summary["seconds"] - 175.8) < 0.1  # the dataset's README says 176
    assert abs(summary["voiced_seconds"] - sum(f["voiced_seconds"] for f in files)) < 0.1
    assert min(f["f0_median"] for f in files) < summary["f0_median"] < max(f["f0_median"] for f in files)
    assert manifest["advice"] == []


def test_little_speech_is_taken_with_the_advice_to_record_more(voices, voice):
    manifest = take(voices / "targets/thorsten_de_m/train", voice, consent="licence", note="CC0")
    assert manifest["advice"][0].startswith("Record ") and " s more" in manifest["advice"][0]


def test_report_for_reading(recordings, sing, voice):
    save_audio(recordings / "loud.wav", np.clip(8 * sing(8), -1, 1), 16000)
    (recordings / "broken.wav").write_text("no sound")
    manifest = take(recordings, voice, note="with my own mouth")
    text = format_report(manifest)
    assert "consent: self (with my own mouth)" in text and "all 3 files" in text and "24.0 s" in text
    assert f"Skipped: {manifest['skipped'][0]['why']}" in text
    assert all(a in text for a in manifest["advice"])
    assert "loud.wav" in text.splitlines()[3]  # what needs advice comes first
    assert "and 2 more" not in format_report(manifest) and len(format_report(manifest, max_files=1).splitlines()) == len(text.splitlines()) - 2


def test_channels_that_cancel_each_other(tmp_path, sing):
    y = sing(8.0)
    sf.write(tmp_path / "a.wav", np.stack([y, -y], axis=1), 16000)
    with pytest.raises(InputError, match="channels of .*a.wav cancel each other"):
        check_recording(tmp_path / "a.wav")


def test_names_of_voices():
    for name in ("anna", "мария", "小明", "मीना", "a.b-c_1"):
        assert open_voice(name).name == name
    assert open_voice("jose\u0301").name == "josé"  # as macOS gives it
    for name in ("", "a b", "a/b", ".a", "a.", "a" * 65):
        with pytest.raises(InputError, match="cannot name a voice"):
            open_voice(name)
