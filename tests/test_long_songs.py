"""Long songs: in pieces, with a bar that shows how far, and an end by Ctrl-C that leaves nothing half-written."""
import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import vcutils.dsp.features
import vcutils.generate
import vcutils.postprocess
from vcutils.cli import main
from vcutils.demo import demo_model, demo_song
from vcutils.dsp.audio import load_audio, save_audio
from vcutils.errors import InputError
from vcutils.files import hold_ctrl_c, write_together
from vcutils.generate import convert
from vcutils.model import load_model
from vcutils.postprocess import export, read_provenance


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """Three seconds of the demo song."""
    y, sr = load_audio(demo_song()[0])
    return save_audio(tmp_path_factory.mktemp("songs") / "song.flac", y[2 * sr : 5 * sr], sr)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


# ---- what Ctrl-C leaves

def test_ctrl_c_at_any_line_of_writing_leaves_the_old_files_or_the_new_ones(tmp_path):
    out = tmp_path / "out.wav"
    y = {"old": np.full(1000, 0.1), "new": np.full(1000, 0.2)}
    export(out, y["old"], 16000, about={"voice": "old"})
    old = content(tmp_path)
    pressed_at, stopped = 0, {"old": 0, "new": 0}
    while pressed_at is not None:
        for path in tmp_path.iterdir():
            path.unlink()
        for name, data in old.items():
            (tmp_path / name).write_bytes(data)
        lines = 0

        def trace(frame, event, arg):
            nonlocal lines
            if event == "call":
                name = frame.f_code.co_filename
                return trace if name.endswith(("files.py", "audio.py", "postprocess.py", "contextlib.py")) else None
            if event == "line":
                lines += 1
                if lines == pressed_at:
                    press_ctrl_c()
            return trace

        pressed_at += 1
        sys.settrace(trace)
        try:
            export(out, y["new"], 16000, about={"voice": "new"})
            finished = True
        except KeyboardInterrupt:
            finished = False
        finally:
            sys.settrace(None)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        which = read_provenance(out)["voice"]
        np.testing.assert_allclose(load_audio(out)[0], y[which], atol=1e-4)
        assert sorted(content(tmp_path)) == ["out.wav", "out.wav.json"]
        if finished:
            assert lines < pressed_at  # it was never pressed: a press is never forgotten
            pressed_at = None
        else:
            stopped[which] += 1
    assert stopped["old"] > 50 and stopped["new"] > 0


class _Interrupted(io.BytesIO):
    """What libsndfile writes into, through functions that cannot pass an exception on."""

    def write(self, data):
        press_ctrl_c()
        return super().write(data)


STAGES = {
    "analysis": (vcutils.dsp.features, "mel_envelope"),
    "rendering": (vcutils.generate, "render"),
    "finish": (vcutils.postprocess.effects, "set_loudness"),
    "encoding": (io, "BytesIO"),
    "writing": (Path, "write_bytes"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_while_singing_leaves_all_as_it_was(workspace, song, tmp_path, capfd, monkeypatch, stage):
    backing = save_audio(tmp_path / "backing.wav", np.full((2, 16000), 0.1), 16000)
    sing = ["sing", "slt", str(song), "--backing", str(backing), "-o", str(tmp_path / "out.wav"), "--workspace", str(workspace)]
    module, name = STAGES[stage]
    function = getattr(module, name)

    def interrupted(*args, **kwargs):
        press_ctrl_c()
        return function(*args, **kwargs)

    def stopped():
        with monkeypatch.context() as patch:
            patch.setattr(module, name, _Interrupted if stage == "encoding" else interrupted)
            assert main(sing) == 130
        said = capfd.readouterr()
        assert said.out == "" and said.err.startswith("vcutils: stopped") and said.err.count("\n") == 1
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    before = content(tmp_path)
    stopped()
    assert content(tmp_path) == before
    for name_before in ("out.wav", "out_voice.wav"):
        export(tmp_path / name_before, np.full(16000, 0.1), 16000, about={"voice": "before"})
    before = content(tmp_path)
    stopped()
    assert content(tmp_path) == before


def test_ctrl_c_between_two_names_waits_until_all_files_have_theirs(tmp_path, monkeypatch):
    replace = os.replace

    def interrupted(*paths):
        replace(*paths)
        press_ctrl_c()

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_together({tmp_path / name: name.encode() for name in ("a", "b", "c")})
    assert content(tmp_path) == {"a": b"a", "b": b"b", "c": b"c"}


def test_a_name_that_cannot_be_given_leaves_the_others_untouched(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError, match="taken"):
        write_together({tmp_path / "a": b"a", tmp_path / "taken": b"b"})
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_ctrl_c_is_held_where_it_interrupts_and_nowhere_else():
    with pytest.raises(KeyboardInterrupt):
        with hold_ctrl_c() as may_stop:
            may_stop()
            press_ctrl_c()
            went_on = True
            may_stop()
            pytest.fail("it did not stop")
    assert went_on
    thread = threading.Thread(target=lambda: hold_ctrl_c().__enter__()())  # signals can only be set in the main thread
    thread.start()
    thread.join()
    heard = []
    signal.signal(signal.SIGINT, lambda *_: heard.append(True))
    try:
        with hold_ctrl_c():
            press_ctrl_c()
            assert heard  # a program's own way goes first
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


# ---- how far it is

@pytest.mark.integration
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("bar", ["Analysing", "Singing"])
def test_a_terminal_shows_how_far_it_is_and_ctrl_c_ends_it(workspace, tmp_path, bar):
    """A process of its own, stopped as soon as the bar appears."""
    import pty
    import termios

    song, out = tmp_path / "song.wav", tmp_path / "out.wav"
    y, sr = load_audio(demo_song()[0])
    save_audio(song, np.tile(y, 3), sr)
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 100))  # in a terminal without columns there is no room for a bar
    argv = [sys.executable, "-m", "vcutils", "sing", "slt", str(song), "-o", str(out), "--json", "--workspace", str(workspace)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=end) as process:
        os.close(end)
        seen = b""
        while bar.encode() not in seen:
            seen += os.read(terminal, 1000)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while more := os.read(terminal, 1000):
                seen += more
        printed = process.stdout.read()
    os.close(terminal)
    assert process.returncode == 130 and printed == b""  # a bar never disturbs a program that reads the JSON
    assert seen.decode().rstrip().splitlines()[-1].startswith("vcutils: stopped") and b"Traceback" not in seen
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


def test_bars_go_to_their_end_and_are_only_shown_on_request(song, capfd):
    model = load_model(demo_model())
    quiet = convert(model, song, chunk_frames=100)
    assert capfd.readouterr().err == ""
    shown = convert(model, song, chunk_frames=100, progress=True)
    said = capfd.readouterr().err
    assert "Analysing: 100%" in said and "Singing: 100%" in said and "16/16" in said  # 301 frames: 4 pieces, 4 times
    np.testing.assert_array_equal(shown["y"], quiet["y"])
