"""The blind test: its statistics, that it is blind, and what it says."""
import re

import numpy as np
import pytest

from vcutils.dsp.effects import measure_loudness
from vcutils.errors import InputError
from vcutils.ui.abx import ABX, chance

SR = 16000


def tone(hertz, *, seconds=6.0, sr=SR, level=0.1):
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * sr)) / sr)).astype(np.float32), sr


A, B = tone(300, sr=8000, seconds=3.0), tone(310, sr=8000, seconds=3.0)


def hears(sounds):
    """A listener who is always right: X is the one that it equals."""
    return "A" if np.array_equal(sounds["X"][0], sounds["A"][0]) else "B"


def take(test, listener):
    while not test.done:
        test.answer(listener(test.sounds))
    return test.results()


@pytest.mark.parametrize("correct, trials, p", [(10, 10, 1 / 1024), (9, 10, 11 / 1024), (8, 10, 56 / 1024), (5, 10, 638 / 1024), (0, 10, 1), (12, 16, 2517 / 65536)])
def test_chance_is_the_tail_of_the_binomial(correct, trials, p):
    assert chance(correct, trials) == pytest.approx(p)


@pytest.mark.parametrize("correct, trials", [(11, 10), (-1, 10), (0, 0)])
def test_chance_of_the_impossible_is_refused(correct, trials):
    with pytest.raises(InputError, match="cannot be"):
        chance(correct, trials)


def test_who_hears_is_found_out_and_who_guesses_too():
    result = take(ABX(A, B, seed=1), hears)
    assert (result["correct"], result["trials"]) == (10, 10) and result["p"] == pytest.approx(1 / 1024)
    assert "very likely hear" in result["sentence"] and "which is better" in result["sentence"]

    passed = [take(ABX(A, B, seconds=0.2, seed=seed), lambda _: "A")["p"] <= 0.05 for seed in range(400)]
    assert 0 <= np.mean(passed) < 0.03  # 11 of 1024 are expected: 9 or 10 of 10


def test_nobody_is_told_that_two_sounds_are_the_same():
    guessed = next(r for r in (take(ABX(A, B, seconds=0.2, seed=seed), lambda _: "B") for seed in range(20)) if r["p"] > 0.05)
    assert "does not prove that the two sound the same" in guessed["sentence"]


def test_no_way_of_answering_beats_the_coins():
    x = np.array([_coins(ABX(A, B, trials=20, seconds=0.2, seed=seed)) for seed in range(300)])
    assert x.mean() == pytest.approx(0.5, abs=0.03)
    assert np.abs(x.mean(axis=0) - 0.5).max() < 0.12  # in every trial
    repeats = (x[:, 1:] == x[:, :-1]).mean()
    assert repeats == pytest.approx(0.5, abs=0.03)  # the last X says nothing about the next


def _coins(test):
    drawn = []
    while not test.done:
        drawn.append(hears(test.sounds) == "A")
        test.answer("A")
    return drawn


def test_same_seed_same_test():
    first, second, other = (_coins(ABX(A, B, trials=30, seed=seed)) for seed in (3, 3, 4))
    assert first == second != other


def test_excerpts_are_equally_long_from_one_place_and_x_is_one_of_them():
    ramp = np.linspace(0.1, 0.9, 6 * SR, dtype=np.float32)
    test, places = ABX((ramp, SR), (-ramp, SR), trials=20, seconds=1.5, seed=0), set()
    while not test.done:
        sounds = test.sounds
        assert list(sounds) == ["A", "B", "X"] and {len(y) for y, _ in sounds.values()} == {round(1.5 * SR)}
        assert np.allclose(sounds["A"][0], -sounds["B"][0])
        assert any(np.array_equal(sounds["X"][0], sounds[name][0]) for name in "AB")
        places.add(float(sounds["A"][0][SR]))
        test.answer("A")
    assert len(places) > 5


def test_excerpts_come_from_where_both_sound():
    y = np.zeros(10 * SR, dtype=np.float32)
    y[4 * SR : 6 * SR] = tone(300, seconds=2)[0]
    test = ABX((y, SR), (y[::-1].copy(), SR), seconds=1.0, seed=0)
    while not test.done:
        assert all(np.abs(sound).max() > 0.05 for sound, _ in test.sounds.values())
        test.answer("B")


def test_rates_may_differ():
    sounds = ABX(tone(300), tone(300, sr=44100), seconds=2.0, seed=0).sounds
    assert len(sounds["A"][0]) == 2 * SR and len(sounds["B"][0]) == 2 * 44100


def test_nothing_is_said_before_the_last_answer():
    test = ABX(A, B, trials=5, seed=0)
    for done in range(5):
        assert test.progress == f"trial {done + 1} of 5"
        with pytest.raises(InputError, match=f"{done} of 5 trials are answered"):
            test.results()
        assert test.answer("A") is None
    assert test.progress == "all 5 trials are answered" and test.results()["trials"] == 5
    with pytest.raises(InputError, match="make a new test"):
        test.answer("A")
    with pytest.raises(InputError, match="make a new test"):
        _ = test.sounds


@pytest.mark.parametrize("answer", ["X", "a", "", None, 1])
def test_only_a_and_b_are_answers(answer):
    with pytest.raises(InputError, match="say 'A' or 'B'"):
        ABX(A, B).answer(answer)


@pytest.mark.parametrize("trials", [4, 0, -1, 101, 7.5, "10"])
def test_trials_must_be_enough(trials):
    with pytest.raises(InputError, match="trials"):
        ABX(A, B, trials=trials)


@pytest.mark.parametrize("seconds", [0, 0.1, 31, np.nan])
def test_excerpts_must_be_audible(seconds):
    with pytest.raises(InputError, match="seconds"):
        ABX(A, B, seconds=seconds)


@pytest.mark.parametrize(
    "a, b, message",
    [
        (A, tone(300, seconds=5), "lasts 3.00 s and B 5.00 s"),
        (A, (np.zeros(3 * SR), SR), "silent"),
        ((np.full(3 * SR, np.nan), SR), B, "A has shape"),
        (A, (np.zeros((2, 3 * SR)), SR), "B has shape"),
        (tone(300, seconds=0.1), tone(300, seconds=0.1), "0.2 s or more"),
    ],
)
def test_bad_sounds_are_refused(a, b, message):
    with pytest.raises(InputError, match=message):
        ABX(a, b)


def test_short_sounds_are_played_whole():
    sounds = ABX(tone(300, seconds=1), tone(310, seconds=1), seconds=3).sounds
    assert len(sounds["X"][0]) == SR


def test_widget_plays_counts_and_keeps_quiet():
    pytest.importorskip("ipywidgets")
    test = ABX(tone(300, level=0.02), tone(310), trials=5, seed=0)
    view = test.widget()
    said, row, buttons = view.children
    for trial in range(5):
        assert f"trial {trial + 1} of 5" in said.value and 'role="status"' in said.value
        assert "right" not in said.value
        assert re.findall(r'aria-label="(.*?)"', row.value) == re.findall(r"<figcaption>(.*?)</figcaption>", row.value) == ["A", "B", "X"]
        assert not any(button.disabled for button in buttons.children)
        buttons.children[trial % 2].click()
    assert test.done and test.results()["sentence"] in said.value and not row.value
    assert all(button.disabled for button in buttons.children)
    assert [button.description for button in buttons.children] == ["X is A", "X is B"]


def test_widget_goes_on_where_the_test_stands():
    pytest.importorskip("ipywidgets")
    test = ABX(A, B, trials=5, seed=0)
    test.answer("A")
    first, second = test.widget(), test.widget()
    assert "trial 2 of 5" in first.children[0].value
    for button in 4 * [second.children[2].children[0]]:
        button.click()
    first.children[2].children[0].click()  # too late: shows the end instead of failing
    assert test.results()["sentence"] in first.children[0].value


def test_players_of_a_trial_are_equally_loud():
    pytest.importorskip("ipywidgets")
    import base64
    import io

    import soundfile as sf

    row = ABX(tone(300, level=0.02), tone(310, level=0.3), seed=0).widget().children[1].value
    sounds = [sf.read(io.BytesIO(base64.b64decode(data))) for data in re.findall(r'base64,([^"]+)"', row)]
    assert len(sounds) == 3 and np.ptp([measure_loudness(y, sr=sr) for y, sr in sounds]) < 0.5
