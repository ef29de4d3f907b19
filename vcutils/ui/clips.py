"""Clips of a voice in the notebook: upload them, judge them in words, choose which to keep."""
import html
import io
import re
from pathlib import Path

import ipywidgets
import soundfile as sf
from tqdm.auto import tqdm

from vcutils.dsp.audio import AUDIO_SUFFIXES, load_audio
from vcutils.errors import InputError
from vcutils.files import atomic_path

LEAVE_OUT = "leave out"  # as a verdict of vcutils.collect begins


def judge(paths, *, check, progress=True):
    """Judge recordings in words.

    Parameters
    ----------
    paths : list of Path
    check : callable
        Takes a path and returns a report with its `verdict`, or raises InputError: `vcutils.collect.check_recording`.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    dict of Path to str
        The verdict on each; a file that cannot be used is to be left out.

    Examples
    --------
    >>> def check(path):
    ...     raise InputError(f"{path} is silent.")
    >>> judge(["a.wav"], check=check, progress=False) == {Path("a.wav"): "leave out: a.wav is silent."}
    True
    """
    verdicts = {}
    for path in tqdm(paths, desc="Judging recordings", unit="file", disable=not progress):
        try:
            verdicts[Path(path)] = check(path)["verdict"]
        except InputError as error:
            verdicts[Path(path)] = f"{LEAVE_OUT}: {error}"
    return verdicts


class Review(ipywidgets.VBox):
    """A list of clips, each with its verdict, a box to tick if it is to be kept, and a button that plays it.

    Parameters
    ----------
    verdicts : dict of Path to str
        From `judge`. What is to be left out is not ticked at first.

    Attributes
    ----------
    kept : list of Path
        The ticked ones, in order.

    Examples
    --------
    >>> Review({Path("a.wav"): "good", Path("b.wav"): "leave out: b.wav is silent."}).kept == [Path("a.wav")]
    True
    """

    def __init__(self, verdicts):
        self._boxes = {}
        # one player for all: a page with sixty of them is slow, and Colab would save sixty sounds
        self._player = ipywidgets.Audio(format="wav", autoplay=True)
        self._playing = ipywidgets.Label("Tick what to keep.")
        rows = []
        for path, words in verdicts.items():
            box = ipywidgets.Checkbox(not words.startswith(LEAVE_OUT), description=path.name, indent=False, layout={"flex": "0 0 16em"})
            play = ipywidgets.Button(description="Play", tooltip=f"Play {path.name}", layout={"flex": "0 0 5em"})
            play.on_click(lambda _, path=path: self._play(path))
            self._boxes[path] = box
            rows.append(ipywidgets.HBox([box, play, ipywidgets.HTML(html.escape(words))], layout={"flex": "0 0 auto"}))
        self._rows = ipywidgets.VBox(rows, layout={"max_height": "24em", "overflow": "auto"})
        super().__init__([self._playing, self._rows])

    @property
    def kept(self):
        return [path for path, box in self._boxes.items() if box.value]

    def _play(self, path):
        try:
            y, sr = load_audio(path)
        except InputError as error:
            self._playing.value = str(error)
            return
        encoded = io.BytesIO()
        sf.write(encoded, y, sr, format="WAV", subtype="PCM_16")
        self._player.value = encoded.getvalue()
        self._playing.value = f"Playing {path.name}"
        self.children = [self._playing, self._player, self._rows]


def uploads(folder):
    """A button that puts sound files and zips from the reader's computer into a folder.

    Jupyter carries about 10 MB at a time; larger files go into the folder through its file browser.

    Parameters
    ----------
    folder : str or Path
        Made when the first file comes. Files keep their names as far as a name is safe.

    Returns
    -------
    ipywidgets.VBox
        The button, and a line that says what has arrived.

    Examples
    --------
    >>> uploads("no such folder yet").children[0].multiple
    True
    """
    button = ipywidgets.FileUpload(accept=",".join(("audio/*", ".zip") + AUDIO_SUFFIXES), multiple=True, description="Choose files", layout={"width": "12em"})
    said = ipywidgets.Label("Nothing yet.")

    def save(change):
        try:
            saved = [save_upload(folder, name, content) for name, content in _files(change["new"])]
        except InputError as error:
            said.value = str(error)
        else:
            said.value = f"In {folder}: {', '.join(path.name for path in saved)}."

    button.observe(save, "value")
    return ipywidgets.VBox([button, said])


def _files(value):
    """Names and bytes in a FileUpload's value: a dict in ipywidgets 7, a tuple in 8."""
    if isinstance(value, dict):
        return [(name, file["content"]) for name, file in value.items()]
    return [(file["name"], file["content"]) for file in value]


def save_upload(folder, name, content):
    """Write one uploaded file into a folder, whatever its name tries.

    Parameters
    ----------
    folder : str or Path
    name : str
        As the browser gives it.
    content : bytes-like

    Returns
    -------
    Path
        The file. Another one of that name stays: the new one gets a number.

    Raises
    ------
    InputError
        If the disk is full or the folder cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> save_upload(tempfile.mkdtemp(), "../../my voice?.wav", b"...").name
    'my voice_.wav'
    """
    plain = re.split(r"[/\\]", name)[-1]
    plain = re.sub(r'[<>:"|?*\x00-\x1f]', "_", plain).lstrip(". ")
    plain = plain.encode(errors="replace")[-200:].decode(errors="ignore") or "upload"  # file systems hold 255 bytes
    path = Path(folder) / plain
    content = bytes(content)
    number = 2
    while path.exists() and path.read_bytes() != content:
        path = path.with_name(f"{Path(plain).stem}_{number}{path.suffix}")
        number += 1
    with atomic_path(path) as tmp:
        tmp.write_bytes(content)
    return path
