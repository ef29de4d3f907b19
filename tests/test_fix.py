"""Fix the take: what each remedy changes in a song and what it leaves, comping, second voices, the file of settings, the command."""
import json
from dataclasses import replace

import librosa
import numpy as np
import pytest

from vcutils.cli import main
from vcutils.demo import demo_model, demo_song
from vcutils.dsp import tuning
from vcutils.dsp.audio import load_audio, save_audio
from vcutils.errors import InputError
from vcutils.fix import (
    comp, double, fill_in, find_breaths, find_phrases, fix, harmony, nudge, read_settings, sing_layers, write_settings,
)  # fmt: skip
from vcutils.generate import convert, read_song
from vcutils.model import load_model
from vcutils.postprocess import read_provenance

SR = 16000


@pytest.fixture(scope="module")
def model():
    return load_model(demo_model())


@pytest.fixture(scope="module")
def song(model):
    """Ten seconds of the demo song: three phrases' worth of notes and consonants, no breaths."""
    y, sr = load_audio(demo_song()[0])
    return read_song((y[: 10 * sr], sr), config=model.config)


@pytest.fixture(scope="module")
def sung(voices, model):
    """Function that takes a real recording apart."""
    cache = {}

    def take(name):
        if name not in cache:
            cache[name] = read_song(voices / f"sources/singing/{name}/{name}.wav", config=model.config)
        return cache[name]

    return take


def same(a, b):
    return all(np.array_equal(getattr(a.features, name), getattr(b.features, name)) for name in ("f0", "loudness", "mel"))


def bent(song, start, stop, *, cents):
    """A take whose singer is off by some cents from one frame to another."""
    f0 = song.features.f0.copy()
    f0[start:stop] *= 2 ** (cents / 1200)
    return replace(song, features=replace(song.features, f0=f0))


# ---- nothing asked for, nothing changed

def test_no_settings_change_nothing(song):
    assert same(fix(song, {}), song)
    assert same(fix(song, {"tune": {"strength": 0}, "breath": {"by": 0}, "nudge": []}), song)
    assert same(nudge(song, [{"from": 1, "to": 2, "by": 0}]), song)


def test_a_fixed_song_is_as_long_as_before_and_is_sung_at_the_fixed_pitch(model, song):
    flat = bent(song, 0, None, cents=-40)
    fixed = fix(flat, {"tune": {"strength": 1, "key": "E minor", "a4": 440}, "nudge": [{"from": 2, "to": 3, "by": 0.05}]})
    assert fixed.n_samples == song.n_samples and len(fixed.features.f0) == len(song.features.f0) == len(fixed.features.mel)
    result = convert(model, fixed, key=0)
    assert len(result["y"]) == song.n_samples and np.array_equal(result["f0"], fixed.features.f0)


def test_a_song_that_is_flat_throughout_is_in_tune_with_itself_unless_a4_says_otherwise(song):
    flat = bent(song, 0, None, cents=-40)
    middle = lambda fixed: 1200 * np.log2(fixed.features.f0[flat.features.f0 > 0] / song.features.f0[flat.features.f0 > 0])  # noqa: E731
    own = {"tune": {"strength": 1, "key": "E minor"}}
    assert np.median(middle(fix(flat, own))) == pytest.approx(-40, abs=3)
    assert np.median(middle(fix(flat, {"tune": {**own["tune"], "a4": 440}}))) == pytest.approx(0, abs=3)


# ---- nudges

@pytest.mark.parametrize("by", [0.1, -0.08])
def test_a_nudge_moves_just_the_frames_asked_for(song, by):
    moved, shift = nudge(song, [{"from": 4.0, "to": 5.0, "by": by}]), round(100 * by)
    for name in ("f0", "loudness", "mel"):
        before, after = getattr(song.features, name), getattr(moved.features, name)
        assert np.array_equal(after[400 + shift : 500 + shift], before[400:500])
        give = 4 * abs(shift)
        assert np.array_equal(after[: 400 - give], before[: 400 - give]) and np.array_equal(after[500 + give :], before[500 + give :])
        assert after.shape == before.shape and after.dtype == before.dtype
        assert not np.array_equal(after, before)


def test_two_nudges_and_one_at_the_start(song):
    moved = nudge(song, [{"from": 6.0, "to": 7.0, "by": -0.05}, {"from": 0.0, "to": 1.8, "by": 0.2}, {"from": 5.0, "to": 5.9, "by": 0.04}])
    for start, stop, shift in ((0, 180, 20), (500, 590, 4), (600, 700, -5)):
        assert np.array_equal(moved.features.f0[start + shift : stop + shift], song.features.f0[start:stop])


@pytest.mark.parametrize("moves", [
    [{"from": 0.05, "to": 1, "by": -0.1}],
    [{"from": 9, "to": 10, "by": 0.1}],
    [{"from": 1, "to": 2, "by": 0.3}, {"from": 2.1, "to": 3, "by": -0.3}],
    [{"from": 1, "to": 3, "by": 0.1}, {"from": 2, "to": 4, "by": 0.1}],
])
def test_a_nudge_out_of_the_song_or_into_another_is_refused(song, moves):
    with pytest.raises(InputError, match="nudge"):
        nudge(song, moves)


# ---- breaths

def test_breaths_of_a_real_singer_are_found(sung):
    """By ear and by eye there are ten between the phrases of this recording."""
    breaths = find_breaths(sung("vocadito_1"))
    assert 8 <= len(breaths) <= 10
    assert all(any(a < t < b for a, b in breaths) for t in (0.3, 3.5, 6.5, 9.6, 12.5, 15.6, 18.6, 24.7, 28.2))


@pytest.mark.parametrize("name", ["vocadito_1", "vocadito_14"])
def test_breaths_get_softer_by_what_was_asked_and_nothing_else_does(sung, name):
    song = sung(name)
    spans = find_breaths(song)
    fixed = fix(song, {"breath": {"by": 9.0}})
    down = song.features.loudness - fixed.features.loudness
    inside = np.zeros(len(down), bool)
    for start, stop in spans:
        inside[round(100 * start) : round(100 * stop)] = True
    assert inside.sum() > 30 and down[inside] == pytest.approx(9, abs=1e-3)
    assert 8.686 * (song.features.mel - fixed.features.mel)[inside].mean() == pytest.approx(9, abs=0.2)  # the floor takes a little
    near_voice = np.convolve(song.features.f0 > 0, np.ones(11), "same") > 0  # where the consonants of a phrase are
    assert down[near_voice].max() == 0
    within = np.zeros(len(down), bool)
    for start, stop in find_phrases(song.features):
        within[start:stop] = True
    assert down[within].max() == 0
    loud = song.features.loudness > np.median(song.features.loudness[song.features.f0 > 0]) - 10
    assert down[loud].max() < 1
    assert np.array_equal(fixed.features.f0, song.features.f0)


def test_a_song_that_nobody_breathes_in_has_no_breaths(song, voices, model):
    """The demo singer is a computer; of the others, one has noise in the pauses and the other the echo of a hall."""
    assert find_breaths(song) == []
    for name in ("bpts_vocal_da/vocal-da-80bpm.22050", "openair_operatic/singing"):
        assert find_breaths(read_song(voices / f"sources/singing/{name}.wav", config=model.config)) == []


def test_softer_breaths_are_heard(model, sung):
    """What comes out of the voice is softer where the breaths are, and as before elsewhere."""
    song = sung("vocadito_14")
    settings = fill_in(song, {"breath": {"by": 12.0}})
    before, after = (convert(model, s, key=0)["y"] for s in (song, fix(song, settings)))
    level = lambda y, a, b: 20 * np.log10(np.sqrt(np.mean(y[int(a * SR) : int(b * SR)] ** 2)) + 1e-9)  # noqa: E731
    change = [level(before, a, b) - level(after, a, b) for a, b in settings["breath"]["spans"]]
    assert np.median(change) == pytest.approx(12, abs=3)
    assert all(abs(level(before, a / 100, b / 100) - level(after, a / 100, b / 100)) < 0.5 for a, b in find_phrases(song.features))


# ---- comping

def test_phrases_end_where_the_singer_pauses(song, sung):
    assert [round(start / 100, 1) for start, _ in find_phrases(song.features)] == [1.7, 5.8, 9.9][: len(find_phrases(song.features))]
    starts = np.array([start / 100 for start, _ in find_phrases(sung("vocadito_1").features)])
    assert all(np.abs(starts - t).min() < 0.1 for t in (0.61, 3.79, 6.89, 12.91, 18.91, 25.06, 28.48))  # after the breaths


@pytest.fixture(scope="module")
def takes(sung):
    """Three takes of one song, later and later, of which each has another phrase out of tune."""
    song = sung("vocadito_1")
    phrases = find_phrases(song.features)
    spoiled = [[1, 4], [2, 5], [0, 3]]
    made = []
    for i, bad in enumerate(spoiled):
        take = song
        for k in bad:
            take = bent(take, *phrases[k], cents=45)
        made.append(nudge(take, [{"from": 5.0, "to": 9.0, "by": 0.06 * i}, {"from": 16.0, "to": 18.0, "by": -0.05 * i}]))
    return song, phrases, spoiled, made


def test_comp_leaves_out_the_phrases_that_are_out_of_tune(takes):
    song, phrases, spoiled, made = takes
    comped, table = comp(made, key="Bb major")
    assert len(table) == len(phrases) >= 8
    for i, row in enumerate(table):
        assert i not in spoiled[row["take"]]
        assert row["take"] == int(np.argmin(row["faults"])) and len(row["faults"]) == 3
    assert comped.n_samples == made[0].n_samples and len(comped.features.f0) == len(made[0].features.f0)
    both = (comped.features.f0 > 0) & (song.features.f0 > 0)
    cents = np.abs(1200 * np.log2(comped.features.f0[both] / song.features.f0[both]))
    assert np.mean(cents < 10) > 0.9  # all of it is what was sung in tune; where notes change, a frame more or less counts
    assert both.sum() > 0.97 * (made[0].features.f0 > 0).sum()


def test_a_phrase_starts_and_ends_where_the_first_take_has_it(takes):
    _, phrases, _, made = takes
    comped, _ = comp(made, key="Bb major", phrases=[2] * len(phrases))
    for (a, b), (c, d) in zip(find_phrases(made[0].features), find_phrases(comped.features)):
        assert abs(a - c) <= 1 and abs(b - d) <= 1


def test_the_choice_can_be_overridden(takes):
    _, phrases, _, made = takes
    n = len(phrases)
    comped, table = comp(made, phrases=[0] * n)
    assert same(comped, made[0]) and [row["take"] for row in table] == [0] * n
    for wrong in ([0] * (n - 1), [0] * (n - 1) + [3]):
        with pytest.raises(InputError, match=f"{n} numbers.*0 to 2"):
            comp(made, phrases=wrong)


def test_comp_wants_steady_and_timely_phrases(song):
    """Tune being equal, the take that wavers or hurries loses."""
    features = song.features
    t = np.arange(len(features.f0)) * tuning.FRAME
    wavering = replace(song, features=replace(features, loudness=(features.loudness + 4 * np.sin(2 * np.pi * 3 * t)).astype(np.float32)))
    (start, stop), *_ = find_phrases(features)
    hurried = nudge(song, [{"from": (start + stop) / 200 - 0.5, "to": (start + stop) / 200 + 0.5, "by": -0.2}])
    (row, *_) = comp([song, wavering, hurried], key="E minor")[1]
    right, *wrong = row["faults"]
    assert min(wrong) > right + 0.5


def test_one_take_is_that_take(song):
    assert same(comp([song])[0], song)
    with pytest.raises(InputError, match="no takes"):
        comp([])


# ---- second voices

def test_a_double_differs_a_little(song):
    twin = double(song, seed=3)
    assert same(twin, double(song, seed=3)) and not same(twin, double(song, seed=4))
    assert len(twin.features.f0) == len(song.features.f0) and twin.n_samples == song.n_samples
    both = (twin.features.f0 > 0) & (song.features.f0 > 0)
    assert both.sum() > 0.97 * (song.features.f0 > 0).sum()  # a frame or so at each end of a note
    cents = 1200 * np.log2(twin.features.f0[both] / song.features.f0[both])
    assert 3 < np.median(np.abs(cents)) < 15
    _, path = librosa.sequence.dtw(song.features.mel.T, twin.features.mel.T)
    assert np.percentile(np.abs(np.diff(path, axis=1)), 95) <= 3  # frames of 10 ms; the timing is at most 16 ms off


def test_a_harmony_is_in_the_scale(song):
    second = harmony(song, key="E minor", steps=2)
    notes = tuning.find_notes(song.features.f0)
    intervals = [np.median(12 * np.log2(second.features.f0[n.start : n.stop] / song.features.f0[n.start : n.stop])) for n in notes]
    assert set(np.round(intervals)) == {3, 4}
    assert np.array_equal(second.features.mel, song.features.mel)


def test_layers_are_as_long_as_the_lead_and_have_a_place(model, song):
    song = replace(song, features=song.features.cut(150, 450, hop_length=160), n_samples=47840)
    layers = sing_layers(model, song, key=12, harmonies=[3, -6], doubled=True, scale="E minor")
    assert len(layers) == 4
    for y, pan, level_db in layers:
        assert y.shape == (song.n_samples,) and -1 <= pan <= 1 and level_db < 0
    assert sum(pan for _, pan, _ in layers) == pytest.approx(0)


# ---- the file of settings

SETTINGS = {
    "takes": {"phrases": [0, 1]},
    "tune": {"strength": 0.6, "key": "E minor", "a4": 440.0},
    "breath": {"by": 6, "spans": [[3.3, 3.7], [9.0, 9.5]]},
    "nudge": [{"from": 12.0, "to": 13.5, "by": -0.08}],
}


def test_settings_survive_the_file(tmp_path):
    path = tmp_path / "ä.fix.json"
    write_settings(path, SETTINGS)
    assert read_settings(path) == SETTINGS
    assert "[3.3, 3.7]" in path.read_text(encoding="utf-8")  # for people


def test_what_is_left_open_is_found_and_stays(song):
    settings = fill_in(song, {"tune": {"strength": 0.5}, "breath": {"by": 6}})
    assert settings["tune"]["key"] == "E minor" and settings["breath"]["spans"] == []
    assert settings["tune"]["a4"] == pytest.approx(440, abs=1.5)
    assert fill_in(song, settings) == settings
    assert same(fix(song, {"tune": {"strength": 0.5}}), fix(song, {"tune": settings["tune"]}))


@pytest.mark.parametrize("settings, words", [
    ([], ["tune, breath"]),
    ({"tone": {}}, ["'tone'", "tune"]),
    ({"tune": 3}, ["'tune'", "3", "strength"]),
    ({"tune": {}}, ["'tune'", "'strength'", "0 to 1"]),
    ({"tune": {"strength": 2}}, ["'tune'", "'strength': 2", "0 to 1"]),
    ({"tune": {"strength": True}}, ["'strength'", "0 to 1"]),
    ({"tune": {"strength": 1, "key": "H"}}, ["H", "E minor"]),
    ({"tune": {"strength": 1, "key": 7}}, ["'key'", "E minor"]),
    ({"tune": {"strength": 1, "a4": 44}}, ["'a4'", "380 to 500"]),
    ({"tune": {"strenth": 1}}, ["'strenth'", "strength, key, a4"]),
    ({"breath": {"by": -6}}, ["'breath'", "-6", "0 to 60"]),
    ({"breath": {"by": 6, "spans": [[2, 1]]}}, ["'spans'", "[start, end]"]),
    ({"nudge": {"from": 1, "to": 2, "by": 1}}, ["'nudge'", "list"]),
    ({"nudge": [{"from": 2, "to": 1, "by": 0.1}]}, ["'nudge'", "'to'", "later"]),
    ({"nudge": [{"from": 1, "to": 2, "by": 9}]}, ["'nudge'", "-2 to 2"]),
    ({"nudge": [{"from": 1, "to": 2}]}, ["'nudge'", "'by'"]),
    ({"takes": {"phrases": [0.5]}}, ["'phrases'", "whole numbers"]),
])
def test_wrong_settings_get_one_sentence_that_names_them(tmp_path, settings, words):
    path = tmp_path / "a.fix.json"
    path.write_text(json.dumps(settings))
    with pytest.raises(InputError) as caught:
        read_settings(path)
    said = str(caught.value)
    assert "\n" not in said and said.endswith(".") and all(word in said for word in words), said


def test_a_file_that_is_no_settings_is_refused(tmp_path):
    (tmp_path / "b.json").write_text("tune: 1")
    for name in ("a.json", "b.json"):
        with pytest.raises(InputError, match=name) as said:
            read_settings(tmp_path / name)
    assert "line 1" in str(said.value) and "mend that line" in str(said.value)  # and not: delete it


# ---- the command

@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Two takes of four seconds of the demo song, the second one higher by a quarter of a semitone."""
    folder, (y, sr) = tmp_path_factory.mktemp("takes"), load_audio(demo_song()[0])
    y = y[2 * sr : 6 * sr]
    return [save_audio(folder / "one.wav", y, sr), save_audio(folder / "two.wav", librosa.effects.pitch_shift(y, sr=sr, n_steps=0.25), sr)]


def run(*argv):
    return main([str(a) for a in argv])


def test_fix_renders_again_from_its_file_and_never_writes_over_it(workspace, recordings, tmp_path, capsys):
    out, beside = tmp_path / "out.wav", tmp_path / "out.fix.json"
    command = ["fix", "slt", recordings[0], "-o", out, "--workspace", workspace]
    assert run(*command, "--tune", 0.8, "--scale", "E minor") == 0
    assert str(beside) in capsys.readouterr().out
    first, settings = out.read_bytes(), read_settings(beside)
    assert settings["tune"]["strength"] == 0.8 and settings["tune"]["key"] == "E minor"
    assert read_provenance(out)["fixed"] == settings and read_provenance(out)["synthetic"] is True
    assert run(*command) == 0 and out.read_bytes() == first

    edited = json.dumps({"tune": {"strength": 0, "key": "E minor"}})  # by hand
    beside.write_text(edited)
    assert run(*command) == 0 and out.read_bytes() != first and beside.read_text() == edited
    capsys.readouterr()
    assert run(*command, "--tune", 0.8) == 2
    assert "--tune" in capsys.readouterr().err and beside.read_text() == edited
    write_settings(tmp_path / "other.json", {"breath": {"by": 3}})
    assert run(*command, "--settings", tmp_path / "other.json") == 2 and beside.read_text() == edited
    assert run(*command, "--settings", tmp_path / "other.json", "--anew") == 0
    assert read_settings(beside) == {"breath": {"by": 3, "spans": []}}


def test_fix_takes_several_takes(workspace, recordings, tmp_path, capsys):
    command = ["fix", "slt", *recordings, "-o", tmp_path / "out.wav", "--scale", "E minor", "--workspace", workspace]
    assert run(*command, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    phrases = result["fixed"]["takes"]["phrases"]
    assert phrases and set(phrases) <= {0, 1}
    assert [take["file"] for take in read_provenance(tmp_path / "out.wav")["takes"]] == ["one.wav", "two.wav"]
    assert run(*["fix", "slt", recordings[0], "-o", tmp_path / "out.wav", "--workspace", workspace]) == 2
    assert "name all of them" in capsys.readouterr().err


@pytest.mark.parametrize("more, word", [
    (["--tune", "2"], "strength"), (["--scale", "H dur"], "H dur"), (["--breath", "-3"], "'by'"), (["--settings", "none.json"], "none.json"),
    (["--harmony", "4"], "'4'"), (["--harmony", "3", "--scale", "C chromatic"], "thirds"), (["--clarity", "2"], "clarity"),
    (["-o", "out.mp3"], "must end in"), (["-o", "."], "must end in"),
])
def test_fix_refuses_what_it_cannot_use_and_writes_nothing(workspace, recordings, tmp_path, capsys, monkeypatch, more, word):
    monkeypatch.chdir(tmp_path)
    assert run("fix", "slt", recordings[0], "-o", "out.wav", "--workspace", workspace, *more) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and word in said
    assert not any(tmp_path.iterdir())


def test_sing_with_second_voices(workspace, recordings, tmp_path):
    for name, more in (("lead", []), ("choir", ["--harmony", 3, "--double", "--scale", "E minor"])):
        assert run("sing", "slt", recordings[0], "-o", tmp_path / f"{name}.wav", "--workspace", workspace, *more) == 0
    (lead, sr), (choir, _) = (load_audio(tmp_path / f"{name}.wav", mono=False) for name in ("lead", "choir"))
    assert choir.shape[-1] == lead.shape[-1] and not np.array_equal(choir, lead)
    assert read_provenance(tmp_path / "choir.wav")["settings"]["harmony"] == [3]
