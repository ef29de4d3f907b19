"""Where a voice lives on disk: one folder a voice, one file a step's result.

::

    workspace/NAME/collect.json        consent, files, quality     (collect)
    workspace/NAME/recordings/         the recordings, unaltered   (collect)
    workspace/NAME/features/           one .npz a recording        (preprocess)
    workspace/NAME/train/              checkpoint, log, previews   (train)
    workspace/NAME/model.npz           the cloned voice            (train)
    workspace/NAME/songs/              what it sings               (generate, postprocess)
    workspace/NAME/variants/           copies to experiment with   (`variant`)
"""
import os
import re
import shutil
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from vcutils.errors import InputError

DEFAULT = Path(os.environ.get("VCUTILS_WORKSPACE", "workspace"))
_STEPS = {"collect": "collect.json", "preprocess": "features/index.json", "train": "model.npz"}


@dataclass(frozen=True)
class Voice:
    """One voice's folder. Make it with `open_voice`; it only knows paths.

    Attributes
    ----------
    name : str
    folder : Path
    """

    name: str
    folder: Path

    @property
    def recordings(self):
        return self.folder / "recordings"

    @property
    def manifest(self):
        return self.folder / "collect.json"

    @property
    def features(self):
        return self.folder / "features"

    @property
    def training(self):
        return self.folder / "train"

    @property
    def model(self):
        return self.folder / "model.npz"

    @property
    def songs(self):
        return self.folder / "songs"

    def done(self, step):
        """Whether `step` ("collect", "preprocess" or "train") has left its result here."""
        return (self.folder / _STEPS[step]).is_file()

    def require(self, step):
        """Raise a sentence that says which step is missing, and how to run it.

        Raises
        ------
        InputError
            If `step` has not run for this voice.
        """
        if not self.done(step):
            known = ", ".join(list_voices(self.folder.parent)) or "none"
            raise InputError(
                f"The voice '{self.name}' has no result of step '{step}' in {self.folder}; "
                f"run `vcutils clone RECORDINGS --voice {self.name} --consent ...` (or notebook step '{step}') first. "
                f"Voices ready there: {known}."
            )


def open_voice(name, *, workspace=DEFAULT):
    """Name a voice's folder; nothing is made until a step writes.

    Parameters
    ----------
    name : str
        Letters of any script, digits, `-`, `_` and `.`, not starting or ending with a dot.
    workspace : str or Path
        The folder that holds all voices.

    Returns
    -------
    Voice

    Raises
    ------
    InputError
        If the name would make a bad folder.

    Examples
    --------
    >>> open_voice("anna", workspace="w").model.as_posix()
    'w/anna/model.npz'
    """
    given, name = name, unicodedata.normalize("NFC", str(name))
    letters = "".join(c for c in name if unicodedata.category(c)[0] != "M")  # without the vowel signs of Indian scripts, say
    if not re.fullmatch(r"(?!\.)[\w.\-]{1,64}(?<!\.)", letters) or len(name) > 64:
        raise InputError(f"'{given}' cannot name a voice; use up to 64 letters, digits, '-', '_' or '.', with no space, no slash and no dot at an end.")
    return Voice(name, Path(workspace) / name)


def list_voices(workspace=DEFAULT):
    """Names of the voices in a workspace that are ready to sing, sorted.

    Examples
    --------
    >>> list_voices("no-such-folder")
    []
    """
    return sorted(p.parent.name for p in Path(workspace).glob("*/model.npz"))


def variant(voice, name):
    """A copy of a voice's recordings and features, to train it in another way and compare.

    Parameters
    ----------
    voice : Voice
        With collected recordings.
    name : str
        Of the variant, as for `open_voice`.

    Returns
    -------
    Voice
        In ``voice.folder / "variants"``. What it was trained on before stays if the recordings are the same.

    Raises
    ------
    InputError
        If the name is unfit or nothing has been collected.

    Examples
    --------
    >>> variant(open_voice("nobody"), "no_gan")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    vcutils.errors.InputError: The voice 'nobody' has no result ...
    """
    copy = open_voice(name, workspace=voice.folder / "variants")
    voice.require("collect")
    for source in (voice.recordings, voice.features):
        if source.is_dir():
            shutil.copytree(source, copy.folder / source.name, dirs_exist_ok=True)
    shutil.copyfile(voice.manifest, copy.manifest)  # last, so that a copy cut short is not taken for a voice
    return copy
