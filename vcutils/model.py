"""The file of a cloned voice: plain arrays and a line of JSON, safe to open whoever sent it."""
import dataclasses
import json
from dataclasses import dataclass

import numpy as np

from vcutils.config import Config, preset
from vcutils.errors import InputError
from vcutils.files import DAMAGED, atomic_path

FORMAT = 1


@dataclass(frozen=True)
class VoiceModel:
    """Everything that singing in a cloned voice needs.

    Attributes
    ----------
    config : vcutils.config.Config
    weights : list of np.ndarray
        Of the generator.
    database : np.ndarray [shape=(n_frames, n_mfcc)]
        The target's own content frames, for retrieval.
    f0_range : tuple of float
        Low end, middle and high end of the target's pitch, Hz.
    about : dict
        Name, consent, training data and course of the training.
    """

    config: Config
    weights: list
    database: np.ndarray
    f0_range: tuple
    about: dict


def save_model(path, model):
    """Write a `VoiceModel`, whole or not at all.

    Parameters
    ----------
    path : str or Path
        Ends in ``.npz``.
    model : VoiceModel

    Examples
    --------
    >>> import tempfile
    >>> from vcutils.config import preset
    >>> model = VoiceModel(preset("smoke"), [np.ones(3)], np.zeros((5, 24)), (100.0, 150.0, 200.0), dict(voice="anna", identity="", consent={}, training={}))
    >>> path = tempfile.mkdtemp() + "/model.npz"
    >>> save_model(path, model)
    >>> load_model(path).about["voice"]
    'anna'
    """
    header = dict(format=FORMAT, config=dataclasses.asdict(model.config), f0_range=model.f0_range, about=model.about)
    weights = {f"weight_{i:03d}": w for i, w in enumerate(model.weights)}
    with atomic_path(path) as tmp:
        np.savez(tmp, header=json.dumps(header), database=model.database.astype(np.float16), **weights)


def load_model(path):
    """Read a `VoiceModel`.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    VoiceModel

    Raises
    ------
    InputError
        If the file is damaged, or no voice of this library. Nothing in a file is ever executed.

    Examples
    --------
    >>> load_model("README.md")
    Traceback (most recent call last):
    ...
    vcutils.errors.InputError: README.md is no cloned voice, or is damaged; train the voice again or ask for the file again.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            header = json.loads(str(stored["header"]))
            weights = [stored[k] for k in sorted(k for k in stored.files if k.startswith("weight_"))]
            database = stored["database"].astype(np.float32)
        if header["format"] != FORMAT:
            raise InputError(f"{path} was made by another version of vcutils (format {header['format']}, here {FORMAT}); train the voice again.")
        model = VoiceModel(_config(header["config"], path), weights, database, tuple(header["f0_range"]), header["about"])
        for key in ("voice", "identity", "consent", "training"):
            model.about[key]
        finite = all(np.isfinite(a).all() for a in [*weights, database, np.array(model.f0_range, float)])
        if not finite or database.shape[1:] != (model.config.n_mfcc,) or len(database) == 0 or len(model.f0_range) != 3:
            raise ValueError("contents do not fit")
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"There is no cloned voice at {path}.") from error
    except DAMAGED as error:
        raise InputError(f"{path} is no cloned voice, or is damaged; train the voice again or ask for the file again.") from error
    return model


def _config(settings, path):
    settings = dict(settings)
    try:
        return preset(settings.pop("preset"), **settings)  # which checks them
    except InputError as error:
        raise InputError(f"The voice {path} has settings that this version of vcutils cannot use: {error}") from error

