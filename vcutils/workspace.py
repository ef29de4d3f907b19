"""Where a voice lives on disk: one folder a voice, one file a step's result.

::

    workspace/NAME/collect.json        consent, files, quality     (collect)
    workspace/NAME/recordings/         the recordings, unaltered   (collect)
    workspace/NAME/features/           one .npz a recording        (preprocess)
    workspace/NAME/train/              checkpoint, log, previews   (train)
    workspace/NAME/model.npz           the cloned voice            (train)
"""
import re
from dataclasses import dataclass
from pathlib import Path

from vcutils.errors import InputError

DEFAULT = Path("workspace")
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
        Letters of any script, digits, `-`, `_` and `.`, not starting with a dot.
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
    if not re.fullmatch(r"(?!\.)[\w.\-]{1,64}", str(name)):
        raise InputError(f"'{name}' cannot name a voice; use up to 64 letters, digits, '-', '_' or '.', with no space or slash.")
    return Voice(str(name), Path(workspace) / str(name))


def list_voices(workspace=DEFAULT):
    """Names of the voices in a workspace that are ready to sing, sorted.

    Examples
    --------
    >>> list_voices("no-such-folder")
    []
    """
    return sorted(p.parent.name for p in Path(workspace).glob("*/model.npz"))
