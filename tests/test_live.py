"""Training in the background: what the widget says, that it stops and goes on, and that nothing is lost on the way."""
import functools
import re
import shutil
import signal
import threading

import pytest

pytest.importorskip("anywidget")

from vcutils.config import preset
from vcutils.errors import InputError
from vcutils.ui.live import LiveTraining
from vcutils.workspace import open_voice


class Steps:
    """Stands in for a long training: ten steps, remembered over a stop; each waits until it is let go."""

    def __init__(self):
        self.done, self.calls, self.turn = 0, 0, threading.Semaphore(0)

    def __call__(self, on_step, on_evaluation):
        self.calls += 1
        while self.done < 10:
            self.turn.acquire()
            self.done += 1
            if on_step(self.done, 10) and self.done < 10:
                return {"finished": False, "reason": f"Stopped by you at step {self.done} of 10; run it again to go on."}
        return {"finished": True, "reason": "The ten steps are done.", "steps": 10}

    def let_go(self, steps):
        self.turn.release(steps)


def press(live, button):
    live._receive(live, {"press": button}, [])


def test_stop_and_go_on_by_button():
    steps = Steps()
    live = LiveTraining(steps)
    assert live.running and not live.finished
    steps.let_go(3)
    press(live, "stop")
    steps.let_go(1)  # the step that it is at, if the click came between two
    with pytest.raises(InputError, match=r"^Stopped by you at step \d of 10\. To go on, press 'Go on'"):
        live.wait(progress=False)
    assert live.said.startswith("Stopped by you")
    assert (live.running, live.finished, live.waiting) == (False, False, False)
    steps.let_go(10)
    press(live, "go on")
    assert live.wait(progress=False)["steps"] == 10 and steps.calls == 2
    assert live.said == "The ten steps are done."
    assert (live.running, live.finished, live.share) == (False, True, 1)


def test_an_interrupted_wait_stops_the_training():
    steps = Steps()
    live = LiveTraining(steps)
    threading.Timer(1.0, signal.raise_signal, [signal.SIGINT]).start()
    threading.Timer(2.5, steps.let_go, [1]).start()  # the step that it is at
    with pytest.raises(InputError, match="Stopped by you at step 1 of 10"):
        live.wait(progress=False)
    assert not live.running and not live.waiting


def test_the_bar_says_how_far_it_is():
    steps = Steps()
    live = LiveTraining(steps)
    steps.let_go(10)
    live.wait(progress=False)
    live._on_step(5, 20)
    assert live.share == 0.25
    assert re.fullmatch(r"Step 5 of 20, \d\d:\d\d left|Step 5 of 20", live.said)


def test_a_second_one_stops_the_first():
    first = Steps()
    live = LiveTraining(first)
    threading.Timer(1.0, first.let_go, [1]).start()  # it is at a step when the second comes
    second = Steps()
    second.let_go(10)
    other = LiveTraining(second)  # as if the cell was run twice
    assert first.done == 1 and not live.running and not live.finished
    assert other.wait(progress=False)["finished"]


def test_a_failure_is_said_and_raised():
    def fail(on_step, on_evaluation):
        raise InputError("The training has diverged.")

    live = LiveTraining(fail)
    with pytest.raises(InputError, match="diverged"):
        live.wait(progress=False)
    assert live.said == "The training has diverged." and not live.running and not live.finished


@pytest.mark.integration
def test_a_voice_trains_with_loss_and_sound(prepared, tmp_path):
    from vcutils.train import train

    shutil.copytree(prepared.folder, tmp_path / "slt")
    voice = open_voice("slt", workspace=tmp_path)
    live = LiveTraining(functools.partial(train, voice, config=preset("smoke"), progress=False))
    training = live.wait(progress=False)
    assert training["finished"] and voice.done("train")
    last = training["history"][-1]
    assert f"{last['held_out']:.2f} on held-out" in live.loss and "data:image" in live.loss
    assert live.sound.count("<audio") == 2 and f"after step {last['step']}" in live.sound
