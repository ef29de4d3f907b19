"""Every number of the method, in one place, and the presets that set them."""
import dataclasses
import difflib
import hashlib
import json
from dataclasses import dataclass

from vcutils.errors import InputError


@dataclass(frozen=True)
class Config:
    """All settings of steps 2 to 4. Make one with `preset`; it cannot be changed afterwards.

    Attributes
    ----------
    sr, hop_length, n_fft, win_length : int
        Hz; the others in samples. `hop_length` is 10 ms.
    n_mels, n_mfcc : int
        Bands of the mel envelope; cepstral coefficients 1..n_mfcc kept as content.
    f0_method : {"swift", "pyin"}
    fmin, fmax : float
        F0 search range in Hz.
    """

    preset: str = "quick"
    # features
    sr: int = 16000
    hop_length: int = 160
    n_fft: int = 1024
    win_length: int = 640
    n_mels: int = 80
    n_mfcc: int = 24
    f0_method: str = "swift"
    fmin: float = 50.0
    fmax: float = 1400.0

    @property
    def feature_hash(self):
        """Changes whenever a setting that shapes the features does."""
        keys = ("sr", "hop_length", "n_fft", "n_mels", "f0_method", "fmin", "fmax")
        return hashlib.sha256(json.dumps([getattr(self, k) for k in keys]).encode()).hexdigest()[:16]


PRESETS = {"quick": {}, "studio": {}, "smoke": {}}


def preset(name="quick", **overrides):
    """A `Config` by name, with any setting overridden by keyword."""
    if name not in PRESETS:
        raise InputError(f"There is no preset '{name}'; choose one of {', '.join(PRESETS)}.")
    known = {f.name for f in dataclasses.fields(Config)} - {"preset"}
    for key in overrides:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            raise InputError(f"There is no setting '{key}'" + (f"; did you mean '{near[0]}'?" if near else f"; there are {', '.join(sorted(known))}."))
    return Config(**{"preset": name, **PRESETS[name], **overrides})
