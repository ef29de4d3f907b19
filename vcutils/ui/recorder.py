"""A microphone in the notebook: read a sentence, listen to the take, keep it as a WAV file.

The browser's half is `recorder.js`. It sends raw 16-bit samples as a message, so that no take is saved in the notebook.
"""
import re
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from vcutils.dsp.audio import save_audio
from vcutils.errors import InputError
from vcutils.prompts import PROMPTS

LONGEST = 30.0  # s, as in recorder.js


class Recorder(anywidget.AnyWidget):
    """A recorder that shows sentences to read and keeps the takes in a folder, as 16-bit WAV.

    Echo cancellation, noise suppression and automatic gain are switched off: they are made for calls, and eat a voice.

    Parameters
    ----------
    folder : str or Path
        Where the takes go; made when the first one is kept. Takes that are there already stay and are listed.
    prompts : list of str
        What to read, see `vcutils.prompts.PROMPTS`.
    check : callable, optional
        Takes the path of a new take and returns a report with its `verdict`, or raises InputError if it is of no use; then
        the take is thrown away and the reader told why. `vcutils.collect.check_recording` is made for it.

    Attributes
    ----------
    folder : Path
    takes : list of Path
        What is kept so far, sorted: `prompt_03_take_1.wav` is the first take of the third sentence.

    Raises
    ------
    InputError
        If there are no prompts.

    Examples
    --------
    >>> recorder = Recorder("no such folder yet", prompts=["The quick brown fox jumps over the lazy dog."])
    >>> recorder.takes
    []
    """

    _esm = Path(__file__).with_name("recorder.js")
    _css = Path(__file__).with_name("recorder.css")

    prompts = traitlets.List(traitlets.Unicode()).tag(sync=True)
    language = traitlets.Unicode().tag(sync=True)  # for screen readers
    kept = traitlets.List(traitlets.Unicode()).tag(sync=True)  # what the list says

    def __init__(self, folder, *, prompts=PROMPTS["en"], check=None):
        prompts = list(prompts)
        if not prompts:
            raise InputError("There are no prompts to read; give Recorder a list of at least one sentence.")
        self.folder = Path(folder)
        self._check = check
        language = next((code for code, sentences in PROMPTS.items() if sentences == prompts), "")
        super().__init__(prompts=prompts, language=language)
        self.kept = [_describe(path) for path in self.takes]
        self.on_msg(self._receive)

    @property
    def takes(self):
        return sorted(self.folder.glob("prompt_*_take_*.wav"))

    def _receive(self, _, content, buffers):
        """Keep a take that the browser sends, or answer why not."""
        try:
            prompt, y, rate = _unpack(content, buffers, len(self.prompts))
            said = self._keep(prompt, y, rate)
        except InputError as error:
            self.send({"refused": f"Not kept: {error}"})
        else:
            self.kept = [*self.kept, said]
            self.send({"kept": said})

    def _keep(self, prompt, y, rate):
        stem = f"prompt_{prompt + 1:02d}_take_"
        numbers = [int(path.stem.removeprefix(stem)) for path in self.takes if re.fullmatch(stem + r"\d+", path.stem)]
        path = save_audio(self.folder / f"{stem}{max(numbers, default=0) + 1}.wav", y, rate)
        said = _describe(path) + f": {len(y) / rate:.1f} s"
        if self._check is None:
            return said
        try:
            return f"{said}, {self._check(path)['verdict']}"
        except InputError:
            path.unlink()
            raise


def _describe(path):
    """What a listener calls a take, from its name."""
    numbers = re.findall(r"\d+", path.stem)
    return f"Sentence {int(numbers[0])}, take {numbers[-1]}" if numbers else path.stem


def _unpack(content, buffers, n_prompts):
    """Number of the prompt, samples and rate of a message; a page may send anything."""
    content = content if isinstance(content, dict) else {}
    prompt, rate = content.get("prompt"), content.get("rate")
    if type(prompt) is not int or not 0 <= prompt < n_prompts:
        raise InputError("the take belongs to no sentence; show the recorder again and record once more.")
    if type(rate) not in (int, float) or not 8000 <= rate <= 192000 or rate != int(rate):
        raise InputError(f"{rate} is no sampling rate of 8000 to 192000 Hz; choose another microphone or browser.")
    if len(buffers or ()) != 1 or (size := memoryview(buffers[0]).nbytes) % 2:
        raise InputError("the take did not arrive as 16-bit samples; show the recorder again and record once more.")
    seconds = size / 2 / rate
    if not 0.5 <= seconds <= LONGEST + 1:
        raise InputError(f"the take lasts {seconds:.1f} s; record 0.5 to {LONGEST:.0f} s.")
    y = np.frombuffer(buffers[0], dtype="<i2").astype(np.float32) / 32768  # exactly what libsndfile turns back
    return prompt, y, int(rate)
