"""Every number of the method, in one place, and the presets that set them."""
import dataclasses
import difflib
import hashlib
import json
import math
from dataclasses import dataclass

from vcutils.errors import InputError


@dataclass(frozen=True)
class Config:
    """All settings of steps 2 to 4. Make one with `preset`; it cannot be changed afterwards.

    Attributes
    ----------
    sr, hop_length, win_length, n_fft : int
        Hz; the others in samples. A frame every 10 ms, seen through a window of 40 ms.
    n_mels, n_mfcc : int
        Bands of the mel envelope; cepstral coefficients 1..n_mfcc are the content.
    f0_method : {"swift", "pyin"}
    fmin, fmax : float
        F0 search range in Hz.
    warp_low, warp_high : float
        How far the formants of the generator's input are moved in training (information perturbation).
    snr_low, snr_high : float
        Steady noise that is added to it, dB below the voice.
    offset_std, noise_std : float
        Random offsets of the content, per second of audio and per frame, in standard deviations.
    k : int
        Neighbours averaged in retrieval.
    width, n_blocks : int
        Of the generator.
    discriminator_width : int
    batch_size, segment_frames : int
        A step trains on `batch_size` cuts of `segment_frames` frames.
    steps, gan_steps : int
        Steps on the STFT loss alone, then steps with the discriminators as well.
    learning_rate : float
    stft_weight, feature_weight, adversarial_weight, converted_weight : float
        Weights of the losses in the GAN's steps; the last is for the adversary's verdict on converted speech.
    evaluate_every, checkpoint_every : int
        Steps.
    patience : int
        Evaluations without progress on the held-out recordings after which the first phase ends early.
    mixed_precision : bool
        Networks in bfloat16 (GPU); STFT, synthesizer and weights stay in float32.
    seed : int
    """

    preset: str = "quick"
    # features
    sr: int = 16000
    hop_length: int = 160
    win_length: int = 640
    n_fft: int = 1024
    n_mels: int = 80
    n_mfcc: int = 24
    f0_method: str = "swift"
    fmin: float = 50.0
    fmax: float = 1400.0
    # perturbation and retrieval
    warp_low: float = 0.78
    warp_high: float = 1.28
    snr_low: float = 10.0
    snr_high: float = 60.0
    offset_std: float = 0.15
    noise_std: float = 0.1
    k: int = 4
    # networks
    width: int = 192
    n_blocks: int = 5
    discriminator_width: int = 96
    # training
    batch_size: int = 16
    segment_frames: int = 96
    steps: int = 1000
    gan_steps: int = 500
    learning_rate: float = 1e-3
    stft_weight: float = 5.0
    feature_weight: float = 2.0
    adversarial_weight: float = 1.0
    converted_weight: float = 0.5
    evaluate_every: int = 100
    checkpoint_every: int = 50
    patience: int = 4
    mixed_precision: bool = False
    seed: int = 0

    @property
    def analysis(self):
        """The settings that shape the features, as keywords for `vcutils.dsp.features.analyse`."""
        return {key: getattr(self, key) for key in ("sr", "hop_length", "n_fft", "n_mels", "f0_method", "fmin", "fmax")}

    @property
    def feature_hash(self):
        """Changes whenever a setting that shapes the features does."""
        return fingerprint(self.analysis)


# The least that works; other numbers may be 0 but not less.
_LEAST = dict(
    sr=8000, hop_length=1, win_length=4, n_fft=4, n_mels=8, n_mfcc=1, fmin=20.0, warp_low=0.1, k=1, width=1, n_blocks=1, discriminator_width=1,
    batch_size=2, segment_frames=24, steps=1, evaluate_every=1, checkpoint_every=1, patience=1,
)  # fmt: skip

PRESETS = {
    "quick": {},
    "studio": dict(
        sr=44100, hop_length=441, win_length=1764, n_fft=4096, n_mels=128, n_mfcc=32, width=384, n_blocks=8, discriminator_width=256,
        batch_size=32, segment_frames=128, steps=10000, gan_steps=30000, evaluate_every=500, checkpoint_every=500, mixed_precision=True,
    ),
    "short": dict(steps=300, gan_steps=120, evaluate_every=60),
    "smoke": dict(width=64, n_blocks=2, discriminator_width=32, batch_size=4, segment_frames=48, steps=30, gan_steps=10, evaluate_every=10, checkpoint_every=5),
}


def fingerprint(content):
    """16 hex digits that change with anything in `content`.

    Examples
    --------
    >>> len(fingerprint({"sr": 16000}))
    16
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def preset(name="quick", **overrides):
    """Settings by name, with any of them overridden by keyword.

    Parameters
    ----------
    name : {"quick", "studio", "short", "smoke"}
        "quick" clones a voice on two CPU cores within ten minutes; "studio" is for a GPU, at 44.1 kHz; "short" is
        "quick" with a third of the steps, for a first impression; "smoke" trains for seconds, to test that everything
        works.
    **overrides
        Any attribute of `Config`.

    Returns
    -------
    Config

    Raises
    ------
    InputError
        If the preset or a setting is unknown, or the settings do not fit each other.

    Examples
    --------
    >>> preset("quick", steps=100).steps
    100
    """
    if name not in PRESETS:
        raise InputError(f"There is no preset '{name}'; choose one of {', '.join(PRESETS)}.")
    known = {f.name for f in dataclasses.fields(Config)} - {"preset"}
    for key in overrides:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            raise InputError(f"There is no setting '{key}'" + (f"; did you mean '{near[0]}'?" if near else f"; there are {', '.join(sorted(known))}."))
    config = Config(**{"preset": name, **PRESETS[name], **overrides})
    for field in dataclasses.fields(Config):
        _check(field, getattr(config, field.name))
    if config.f0_method not in ("swift", "pyin"):
        raise InputError(f"The setting f0_method is {config.f0_method!r}; it must be 'swift' or 'pyin'.")
    if config.fmax >= config.sr / 2 or config.seed >= 2**32:
        raise InputError(f"fmax ({config.fmax:g}) must be less than half of sr ({config.sr}), and seed ({config.seed}) less than 2**32.")
    for low, high in (("n_mfcc", "n_mels"), ("fmin", "fmax"), ("warp_low", "warp_high"), ("snr_low", "snr_high")):
        if not getattr(config, low) < getattr(config, high):
            raise InputError(f"{low} ({getattr(config, low)}) must be less than {high} ({getattr(config, high)}).")
    if config.win_length != 4 * config.hop_length or config.n_fft < config.win_length:
        raise InputError(f"win_length ({config.win_length}) must be four times hop_length ({config.hop_length}) and fit into n_fft ({config.n_fft}).")
    return config


def _check(field, value):
    """Raise a sentence if a setting is of the wrong kind, not finite or too small."""
    if field.type in (int, float):
        right = isinstance(value, (int, field.type)) and not isinstance(value, bool) and math.isfinite(value)
        if not right or value < _LEAST.get(field.name, 0):
            kind = "a whole number" if field.type is int else "a number"
            raise InputError(f"The setting {field.name} is {value!r}; it must be {kind} of at least {_LEAST.get(field.name, 0)}.")
    elif not isinstance(value, field.type):
        raise InputError(f"The setting {field.name} is {value!r}; it must be {'true or false' if field.type is bool else 'a word'}.")
