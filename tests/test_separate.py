"""From a mix to voice and backing: what adds up, what is gained, what is refused."""
import json
from pathlib import Path

import librosa
import numpy as np
import pytest
import scipy.signal

import vcutils.separate
from vcutils.cli import main
from vcutils.demo import demo_model, demo_song
from vcutils.dsp.audio import load_audio, save_audio
from vcutils.dsp.effects import measure_loudness
from vcutils.dsp.f0 import estimate_f0
from vcutils.errors import InputError
from vcutils.files import sha256
from vcutils.results import compare_f0
from vcutils.separate import separate

SR = 16000


def sdr(reference, estimate):
    """Signal-to-distortion ratio in dB; a wrong level counts as a distortion."""
    return 10 * np.log10(np.sum(reference**2) / np.sum((reference - estimate) ** 2))


def mixed(voice, backing):
    """Voice and backing [shape=(2, n)] at equal loudness, with peaks below 1."""
    voice = np.stack([voice, voice]) * 10 ** ((measure_loudness(backing, sr=SR) - measure_loudness(np.stack([voice, voice]), sr=SR)) / 20)
    scale = 0.9 / np.abs(voice + backing).max()
    return (scale * voice).astype(np.float32), (scale * backing).astype(np.float32)


@pytest.fixture(scope="module")
def demo():
    """Voice and backing of twelve seconds of the demo song."""
    vocal, backing = (load_audio(path, sr=SR, mono=False)[0][:, : 12 * SR] for path in demo_song())
    return mixed(vocal[0], backing)


@pytest.fixture(scope="module")
def parts(demo):
    """What becomes of the demo."""
    return separate((sum(demo), SR))


@pytest.fixture(scope="module")
def mix(demo, tmp_path_factory):
    """The demo as a file."""
    return save_audio(tmp_path_factory.mktemp("mix") / "my mix.flac", sum(demo), SR)


def test_voice_and_backing_add_up_to_the_song(demo, parts):
    assert parts["sr"] == SR and parts["voice"].dtype == np.float32
    assert parts["voice"].shape == parts["backing"].shape == demo[0].shape
    assert np.abs(parts["voice"] + parts["backing"] - sum(demo)).max() < 2e-7  # rounding of float32 near 1


def test_nothing_is_moved_in_time(demo, parts):
    for estimate, reference in zip((parts["voice"], parts["backing"]), demo):
        correlation = scipy.signal.correlate(estimate[0], reference[0], method="fft")
        assert np.argmax(correlation) == reference.shape[1] - 1


@pytest.fixture(scope="module")
def real(voices, demo):
    """A real voice over the demo's backing."""
    y, _ = load_audio(voices / "sources/singing/vocadito_14/vocadito_14.wav", sr=SR)
    return mixed(y[: 12 * SR], demo[1])


@pytest.fixture(scope="module")
def real_parts(real):
    return separate((sum(real), SR))


def test_a_real_voice_comes_out_far_clearer_than_it_was(real, real_parts):
    voice, mix = real[0], sum(real)
    in_mono = separate((mix.mean(axis=0), SR))
    assert sdr(voice, real_parts["voice"]) - sdr(voice, mix) > 7  # 8.7 dB when measured
    assert sdr(voice[:1], in_mono["voice"]) - sdr(voice[:1], mix.mean(axis=0)) > 7


def test_the_demo_voice_and_its_backing_gain(demo, parts):
    for reference, key, least in zip(demo, ("voice", "backing"), (7, 5)):  # 8.4 and 6.3 dB when measured
        assert sdr(reference, parts[key]) - sdr(reference, sum(demo)) > least


def test_each_step_helps(demo, parts):
    whole = sdr(demo[0], parts["voice"])
    for left_out in (dict(low_cut=0), dict(center=0), dict(harmonics=1)):
        assert sdr(demo[0], vcutils.separate.repet_sim(sum(demo), sr=SR, **left_out)) < whole


def test_a_floor_keeps_the_pitch_tracker_from_hearing_notes_in_holes(real, real_parts):
    def pitch(found):
        f0, f0_voice = (estimate_f0(y.mean(axis=0), sr=SR, hop_length=160) for y in (found, real[0]))
        return compare_f0(f0, f0_voice)

    holes, filled = pitch(vcutils.separate.repet_sim(sum(real), sr=SR, floor=0)), pitch(real_parts["voice"])
    assert filled["voicing_error"] < holes["voicing_error"]
    assert filled["raw_pitch_accuracy"] > holes["raw_pitch_accuracy"]


def test_mono_stays_mono_and_any_rate_its_rate(sing):
    for sr in (8000, 22050, 48000):
        y = sing(3.5, sr=sr)
        found = separate((y, sr))
        assert found["sr"] == sr and found["voice"].shape == found["backing"].shape == (1, len(y))


def test_blocks_are_joined_without_a_seam(demo, parts, monkeypatch):
    monkeypatch.setattr(vcutils.separate, "BLOCK", 6.0)
    monkeypatch.setattr(vcutils.separate, "OVERLAP", 1.0)
    blocks = separate((sum(demo), SR))
    assert np.abs(blocks["voice"] + blocks["backing"] - sum(demo)).max() < 2e-7
    assert sdr(demo[0], blocks["voice"]) > sdr(demo[0], parts["voice"]) - 3  # less repeats within six seconds
    jumps = np.abs(np.diff(blocks["voice"], n=2, axis=1)).max(axis=0)
    assert jumps.max() < 2 * np.abs(np.diff(sum(demo), n=2, axis=1)).max()  # a click would stick out


def test_blocks_of_what_needs_no_looking_around_equal_the_whole(demo, monkeypatch):
    """With a method that treats each sample alone, all that blocks could change is what they overlap in."""
    monkeypatch.setattr(vcutils.separate, "repet_sim", lambda y, *, sr: y / 2)
    whole = separate((sum(demo), SR))["voice"]
    for seconds in (5.0, 7.3):
        monkeypatch.setattr(vcutils.separate, "BLOCK", seconds)
        monkeypatch.setattr(vcutils.separate, "OVERLAP", 1.0)
        assert np.allclose(separate((sum(demo), SR))["voice"], whole, atol=1e-6)


@pytest.mark.parametrize("song, words", [
    ((np.zeros((2, 4 * SR), np.float32), SR), "silent"),
    ((np.full(4 * SR, np.nan, np.float32), SR), "NaN"),
    ((np.ones(SR, np.float32), SR), "1.0 s"),
    ((np.ones((3, 4 * SR), np.float32), SR), "shape"),
    ((0.1 * np.random.default_rng(0).standard_normal(4 * SR).astype(np.float32), SR), "no voice"),
    ("no such mix.wav", "does not exist"),
])
def test_what_cannot_be_separated_is_said_in_a_sentence(song, words):
    with pytest.raises(InputError, match=words):
        separate(song)


def test_an_unknown_method_is_named_with_the_known_ones(demo):
    with pytest.raises(InputError, match="'magic'.*repet, demucs"):
        separate((sum(demo), SR), method="magic")


# ---- demucs

def test_without_demucs_it_says_how_to_install_it(demo, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "demucs.pretrained", None)  # as if it were not installed
    vcutils.separate.load_demucs.cache_clear()
    with pytest.raises(InputError, match=r"pip install \"vcutils\[separate\]\""):
        separate((sum(demo), SR), method="demucs")


def test_without_its_weights_demucs_is_explained(demo, monkeypatch):
    pytest.importorskip("demucs")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("demucs.pretrained.get_model", offline)
    vcutils.separate.load_demucs.cache_clear()
    with pytest.raises(InputError, match="weights of htdemucs cannot be had.*internet.*repet"):
        separate((sum(demo), SR), method="demucs")


def offline(name):
    raise OSError("no route to host")


@pytest.fixture(scope="module")
def tiny():
    """An HTDemucs of a few channels that has learned nothing."""
    pytest.importorskip("demucs")
    import torch
    from demucs.htdemucs import HTDemucs

    torch.manual_seed(0)
    return HTDemucs(["drums", "bass", "other", "vocals"], channels=8, t_layers=1, t_heads=1, nfft=1024, segment=2, samplerate=16000, bottom_channels=8)


@pytest.mark.parametrize("sr, channels", [(16000, 2), (16000, 1), (22050, 2)])
def test_demucs_goes_through_the_same_door(tiny, sing, sr, channels):
    y = np.stack([sing(3.5, sr=sr)] * channels)
    y[0] *= 0.5
    found = separate((y, sr), method="demucs", model=tiny)
    assert found["voice"].shape == found["backing"].shape == y.shape and found["sr"] == sr
    assert np.isfinite(found["voice"]).all() and found["voice"].any()
    assert np.abs(found["voice"] + found["backing"] - y).max() < 2e-7 * max(1, np.abs(found["voice"]).max())
    again = separate((y, sr), method="demucs", model=tiny)
    assert np.array_equal(again["voice"], found["voice"])  # no chance in it


def test_a_model_without_vocals_is_refused(tiny, sing, monkeypatch):
    monkeypatch.setattr(tiny, "sources", ["drums", "bass", "other", "piano"])
    with pytest.raises(InputError, match="piano, but no vocals"):
        separate((sing(3.5), SR), method="demucs", model=tiny)


# ---- the command line

def test_the_command_writes_both_parts_unmarked(mix, demo, tmp_path, capsys):
    assert main(["separate", str(mix), "-o", str(tmp_path / "parts"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    voice, backing = (load_audio(tmp_path / "parts" / f"my mix_{part}.wav", mono=False)[0] for part in ("voice", "backing"))
    assert result["voice"].endswith("my mix_voice.wav") and result["scale"] == 1 and result["length"] == 12
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == ["my mix_backing.wav", "my mix_voice.wav"]
    assert voice.shape == backing.shape == demo[0].shape
    assert np.abs(voice + backing - load_audio(mix, mono=False)[0]).max() < 2 / 32768  # both are rounded to 16 bits


def test_the_command_refuses_in_one_sentence_and_writes_nothing(tmp_path, capsys):
    silent = save_audio(tmp_path / "silent.wav", np.zeros((2, 4 * SR)), SR)
    (tmp_path / "text.wav").write_text("la la la")
    for path in (silent, tmp_path / "text.wav", tmp_path / "none.wav"):
        assert main(["separate", str(path), "-o", str(tmp_path / "parts")]) == 2
        said = capsys.readouterr().err
        assert path.name in said and said.count("\n") == 1
    assert not (tmp_path / "parts").exists()


def test_stopping_leaves_nothing_half_written(mix, tmp_path, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(vcutils.separate, "estimate_f0", stopped)
    assert main(["separate", str(mix), "-o", str(tmp_path / "parts")]) == 130
    assert not list(tmp_path.rglob("*"))


@pytest.mark.integration
def test_sing_from_a_mix_says_so(mix, tmp_path, capsys):
    workspace = tmp_path / "workspace"
    (workspace / "slt").mkdir(parents=True)
    (workspace / "slt" / "model.npz").write_bytes(demo_model().read_bytes())
    out = tmp_path / "cover.wav"
    sing = ["sing", "slt", str(mix), "-o", str(out), "--workspace", str(workspace), "--json"]
    assert main([*sing, "--from-mix"]) == 0
    assert json.loads(capsys.readouterr().out)["songs"][0]["key"] % 12 == 0  # another key would clash with what is left
    assert load_audio(out, mono=False)[0].shape == (2, 12 * SR)
    made, alone = (json.loads(Path(f"{tmp_path / name}.wav.json").read_text(encoding="utf-8")) for name in ("cover", "cover_voice"))
    source = {"file": mix.name, "sha256": sha256(mix)}
    assert made["synthetic"] and made["source"] == alone["source"] == source and made["separated"] == alone["separated"] == "repet"
    assert made["backing"] == {**source, "separated": "repet"} and alone["backing"] is None

    karaoke = save_audio(tmp_path / "karaoke.wav", 0.1 * librosa.tone(220, sr=SR, length=SR), SR)
    assert main([*sing, "--from-mix", "repet", "--backing", str(karaoke)]) == 0
    made = json.loads(Path(f"{out}.json").read_text(encoding="utf-8"))
    assert made["backing"] == {"file": "karaoke.wav", "sha256": sha256(karaoke)} and made["separated"] == "repet"
