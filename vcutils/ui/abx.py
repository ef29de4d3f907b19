"""A blind ABX test: can these ears tell two sounds apart, or does it only seem so?"""
import operator

import numpy as np
from scipy.stats import binomtest

from vcutils.dsp.effects import fade
from vcutils.errors import InputError
from vcutils.ui.players import players

LEAST_TRIALS = 5  # with fewer, even a guesser gets all of them right more than once in 20 tests
STEP = 0.1  # seconds between the places where an excerpt may begin


class ABX:
    """Each trial plays A, B and X, and X is one of the two. Which one? [1]_

    Every trial takes short excerpts of both sounds from the same place, chosen at random where both sound. Whether X
    is A or B is decided by a new coin each time, so that somebody who guesses is right in half of the trials, however
    they guess. Nothing is said about right and wrong before the last answer: who knows the answers learns to listen for
    something else from trial to trial, and may stop when it goes well.

    Parameters
    ----------
    a, b : (np.ndarray [shape=(n,)], int)
        The two sounds, aligned and of the same length, and their rates in Hz.
    trials : int
        At least 5.
    seconds : float
        Length of an excerpt; all of the sound if that is shorter.
    seed : int, optional
        The same seed gives the same places and coins.

    Raises
    ------
    InputError
        If a sound is not mono or not finite, they do not last equally long or do not sound at the same time, or a
        setting is out of range.

    References
    ----------
    .. [1] W. A. Munson and M. B. Gardner, "Standardizing auditory tests", Journal of the Acoustical Society of America
       22(5), 1950.

    Examples
    --------
    >>> t = np.arange(32000) / 16000
    >>> test = ABX((np.sin(2764 * t), 16000), (np.sin(2765 * t), 16000), seed=0)
    >>> while not test.done:
    ...     test.answer("A")
    >>> test.results()["correct"]
    6
    """

    def __init__(self, a, b, *, trials=10, seconds=3.0, seed=None):
        try:
            self.trials = operator.index(trials)
        except TypeError:
            self.trials = 0
        if not LEAST_TRIALS <= self.trials <= 100:
            raise InputError(f"trials is {trials!r}; choose a whole number from {LEAST_TRIALS} to 100, as with fewer a guesser often gets all right.")
        if not 0.2 <= seconds <= 30:
            raise InputError(f"seconds is {seconds}; choose 0.2 to 30 s for an excerpt.")
        self._sounds = [_check(sound, name) for sound, name in ((a, "A"), (b, "B"))]
        lengths = [len(y) / sr for y, sr in self._sounds]
        if abs(lengths[0] - lengths[1]) > 0.05:
            raise InputError(f"A lasts {lengths[0]:.2f} s and B {lengths[1]:.2f} s; give two versions of the same performance, equally long.")
        self._seconds = min(seconds, *lengths)
        rng = np.random.default_rng(seed)
        self._starts = rng.choice(_places(self._sounds, self._seconds), self.trials)
        self._x = [str(x) for x in rng.choice(["A", "B"], self.trials)]
        self._answers = []

    @property
    def done(self):
        """Whether all trials are answered."""
        return len(self._answers) == self.trials

    @property
    def progress(self):
        """Where the test stands, in words: "trial 3 of 10"."""
        return f"all {self.trials} trials are answered" if self.done else f"trial {len(self._answers) + 1} of {self.trials}"

    @property
    def sounds(self):
        """What is heard in this trial: "A", "B" and "X" to (np.ndarray [shape=(m,)], int), samples and their rate in Hz.

        Raises
        ------
        InputError
            If all trials are answered.
        """
        self._check_open()
        trial = len(self._answers)
        heard = {name: _excerpt(y, sr, self._starts[trial], self._seconds) for name, (y, sr) in zip("AB", self._sounds)}
        return {**heard, "X": heard[self._x[trial]]}

    def answer(self, which):
        """Say which of the two X is, and go on to the next trial.

        Parameters
        ----------
        which : {"A", "B"}

        Raises
        ------
        InputError
            If it is neither, or all trials are answered.

        Examples
        --------
        >>> tone = np.sin(np.arange(16000)), 16000
        >>> test = ABX(tone, tone, trials=5)
        >>> test.answer("A")
        >>> test.progress
        'trial 2 of 5'
        """
        self._check_open()
        if which not in ("A", "B"):
            raise InputError(f"The answer is {which!r}; say 'A' or 'B', whichever you think X is.")
        self._answers.append(which)

    def results(self):
        """Count the right answers, and say how likely that many are by guessing.

        Returns
        -------
        dict
            "correct" : int.
            "trials" : int.
            "p" : float, the probability that a guesser gets that many right, or more (one-sided binomial test).
            "sentence" : str, what that means and what it does not.

        Raises
        ------
        InputError
            Before the last answer.

        Examples
        --------
        >>> tone = np.sin(np.arange(16000)), 16000
        >>> test = ABX(tone, tone, trials=5, seed=2)
        >>> for guess in "ABABA":
        ...     test.answer(guess)
        >>> result = test.results()
        >>> result["correct"], result["trials"], round(result["p"], 2)
        (2, 5, 0.81)
        """
        if not self.done:
            raise InputError(
                f"{len(self._answers)} of {self.trials} trials are answered; the result comes after the last one, "
                f"because who looks earlier can stop while luck is good."
            )
        correct = sum(x == answer for x, answer in zip(self._x, self._answers))
        p = chance(correct, self.trials)
        return {"correct": correct, "trials": self.trials, "p": p, "sentence": _say(correct, self.trials, p)}

    def widget(self):
        """The test as players and buttons for a notebook.

        Returns
        -------
        ipywidgets.VBox
            It shows the trial where the test stands; the answers go into this object.

        Examples
        --------
        >>> tone = np.sin(np.arange(16000)), 16000
        >>> view = ABX(tone, tone, trials=5).widget()
        >>> [button.description for button in view.children[2].children]
        ['X is A', 'X is B']
        """
        import ipywidgets  # only who shows the test needs it

        said, row = ipywidgets.HTML(), ipywidgets.HTML()
        buttons = [ipywidgets.Button(description=f"X is {name}", tooltip=f"Answer that X is {name}") for name in "AB"]
        view = ipywidgets.VBox([said, row, ipywidgets.HBox(buttons)])

        def show():
            said.value = f'<p role="status"><strong>{self.progress}</strong>{". " + self.results()["sentence"] if self.done else ""}</p>'
            row.value = "" if self.done else players(self.sounds)
            for button in buttons:
                button.disabled = self.done

        def choose(which):
            if not self.done:  # a second view may have given the last answer
                self.answer(which)
            show()

        for button, which in zip(buttons, "AB"):
            button.on_click(lambda _, which=which: choose(which))
        show()
        return view

    def _check_open(self):
        if self.done:
            raise InputError(f"All {self.trials} trials are answered; make a new test for more.")


def chance(correct, trials):
    """How often somebody who only guesses gets that many right, or more.

    Parameters
    ----------
    correct, trials : int

    Returns
    -------
    float
        From 0 to 1: the p-value of a one-sided binomial test against one half.

    Raises
    ------
    InputError
        If `correct` is not between 0 and `trials`, or there is no trial.

    Examples
    --------
    >>> round(chance(9, 10), 4)
    0.0107
    """
    if not 0 <= correct <= trials or trials < 1:
        raise InputError(f"{correct} of {trials} cannot be; give at least one trial, and 0 to all of them right.")
    return float(binomtest(correct, trials, 0.5, alternative="greater").pvalue)


def _say(correct, trials, p):
    often = f"{100 * p:.0f} of 100" if p >= 0.015 else f"{max(1, round(1000 * p))} of 1000" if p >= 0.001 else "less than 1 of 1000"
    said = f"{correct} of {trials} right. Somebody who only guesses gets that many or more in {often} such tests (p = {p:.2g}). "
    if p <= 0.05:
        return said + "Guessing hardly explains it: you very likely hear a difference. It does not say how large the difference is, or which is better."
    return (
        said + "Guessing explains it well enough. It does not prove that the two sound the same: a small difference may need more trials, or other ears."
    )


def _check(sound, name):
    y, sr = sound
    y = np.asarray(y, dtype=np.float32)
    if y.ndim != 1 or not np.isfinite(y).all():
        raise InputError(f"{name} has shape {y.shape} or holds NaN or infinity; give one channel of finite samples.")
    if len(y) < 0.2 * sr:
        raise InputError(f"{name} lasts {len(y) / sr:.2f} s; give 0.2 s or more.")
    return y, sr


def _places(sounds, seconds):
    """Times in s at which an excerpt of both sounds is at most 10 dB below the mean of the whole."""
    last = min(len(y) / sr for y, sr in sounds) - seconds
    starts = np.arange(0, max(last, 0) + 1e-9, STEP)
    audible = np.ones(len(starts), bool)
    for y, sr in sounds:
        energy = np.concatenate([[0.0], np.cumsum(np.square(y, dtype=float))])
        begin = np.round(starts * sr).astype(int)
        within = energy[np.minimum(begin + round(seconds * sr), len(y))] - energy[begin]
        audible &= within > max(0.1 * energy[-1] * seconds * sr / len(y), 1e-8)
    if not audible.any():
        raise InputError("A and B do not sound at the same time anywhere, or one is silent; give two versions of the same performance.")
    return starts[audible]


def _excerpt(y, sr, start, seconds):
    begin = round(start * sr)
    return fade(y[begin : begin + round(seconds * sr)], sr=sr, fade_in=0.02, fade_out=0.02), sr
