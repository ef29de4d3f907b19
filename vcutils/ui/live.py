"""A training to watch in the notebook: it runs in the background, with its loss, its sound, and buttons to stop and go on.

The browser's half is `live.js`.
"""
import threading
import time
from pathlib import Path

import anywidget
import traitlets
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from vcutils.dsp.audio import load_audio
from vcutils.errors import InputError
from vcutils.ui import plots
from vcutils.ui.players import players


class LiveTraining(anywidget.AnyWidget):
    """Start a training in the background and show how it goes: bar and time left, loss, and what the voice sounds like.

    Other cells can run meanwhile; `wait` is the cell that needs the result.

    Parameters
    ----------
    train : callable
        Takes ``on_step`` and ``on_evaluation`` as `vcutils.train.train` does, and returns what that returns:
        ``functools.partial(train, voice, config=config, progress=False)``.

    Examples
    --------
    >>> def train(on_step, on_evaluation):
    ...     on_step(1, 1)
    ...     return {"finished": True, "reason": "The only step is done."}
    >>> LiveTraining(train).wait(progress=False)["reason"]
    'The only step is done.'
    """

    _esm = Path(__file__).with_name("live.js")
    _current = None  # the one that is training now

    running = traitlets.Bool(False).tag(sync=True)
    waiting = traitlets.Bool(False).tag(sync=True)  # a cell does: the kernel hears no button
    finished = traitlets.Bool(False).tag(sync=True)
    share = traitlets.Float(0.0).tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)
    loss = traitlets.Unicode().tag(sync=True)  # HTML
    sound = traitlets.Unicode().tag(sync=True)  # HTML

    def __init__(self, train):
        super().__init__()
        self._train = train
        self._first = None  # preview
        self.on_msg(self._receive)
        self.start()

    def start(self):
        """Start the training, or go on after a stop. Another one that is running is stopped: there is one at a time."""
        other = LiveTraining._current  # its own end sets that to None
        if other is not None:  # of a cell that was run twice, say: both would write the same files
            other.stop()
            other._ended.wait()
        LiveTraining._current = self
        self._stopping, self._ended = threading.Event(), threading.Event()
        self._began = self._total = self._result = self._error = None
        self.said, self.running, self.finished = "Getting ready …", True, False
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self):
        """Ask the training to stop after the step that it is at. It keeps all that it has learned."""
        self._stopping.set()

    def wait(self, *, progress=True):
        """Wait until the training has ended.

        Parameters
        ----------
        progress : bool
            Whether to show a progress bar.

        Returns
        -------
        dict
            What `train` returned.

        Raises
        ------
        InputError
            If the training was stopped before its end, by a button or by interrupting this call.
        Exception
            Whatever `train` raised.
        """
        self.waiting = True
        try:
            with tqdm(desc="Training", unit="step", disable=not progress) as bar:
                while not self._ended.wait(0.2):
                    if self._total:
                        bar.total = self._total
                        bar.update(self._done - bar.n)
        except KeyboardInterrupt:
            self.stop()
            self._ended.wait()
        finally:
            self.waiting = False
        if self._error:
            raise self._error
        if not self._result["finished"]:
            raise InputError(f"{self._result['reason'].split(';')[0]}. To go on, press 'Go on' and run this cell again.")
        return self._result

    def _receive(self, _, content, buffers):
        if content == {"press": "stop"}:
            self.stop()
        elif content == {"press": "go on"}:
            self.start()

    def _run(self):
        try:
            self._result = self._train(on_step=self._on_step, on_evaluation=self._on_evaluation)
        except Exception as error:  # for `wait` to raise: nobody looks into a thread
            self._error, self.said = error, str(error)
        else:
            self.said, self.finished = self._result["reason"], self._result["finished"]
        LiveTraining._current = None
        self.running = False
        self._ended.set()

    def _on_step(self, done, total):
        now = time.monotonic()
        if self._began is None:  # after the first step, which is slow, as it compiles
            self._began, self._first_step = now, done
        self._done, self._total, self.share = done, total, done / total
        left = ""
        if done > self._first_step:
            left = f", {tqdm.format_interval((now - self._began) / (done - self._first_step) * (total - done))} left"
        self.said = f"Step {done} of {total}{left}"
        return self._stopping.is_set()

    def _on_evaluation(self, history, preview):
        last = history[-1]
        fig = Figure(figsize=(9, 3), layout="constrained")
        plots.history(history, ax=fig.subplots())
        alt = f"Loss over steps: {last['stft']:.2f} in training and {last['held_out']:.2f} on held-out recordings after step {last['step']}."
        self.loss = plots.picture(fig, alt=alt, caption="Lower is better. Both lines should fall; the dashed one is the one that counts.")
        heard = f"after step {last['step']}", load_audio(preview)
        self._first = self._first or heard
        self.sound = players(dict([self._first, heard])) + "<p>A piece that was held out, disguised, and given its voice back.</p>"
