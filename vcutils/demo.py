"""Where the demo data is: two voices (one of them trained), a song, and three scores, so that everything works offline."""
from pathlib import Path

from vcutils.errors import InputError

DEMO_VOICES = ("slt", "rms")  # female, male
DEMO_SCORES = ("greensleeves", "ode_to_joy", "songbie")  # English, German, Mandarin


def demo_voice(name="slt"):
    """The folder of recordings of a demo voice.

    Parameters
    ----------
    name : {"slt", "rms"}
        A female and a male voice, two to three minutes of synthetic speech each.

    Returns
    -------
    Path
        A folder of FLAC files, one sentence each, 16 kHz, mono.

    Raises
    ------
    InputError
        If there is no demo voice of that name, or the demo data is missing.

    Examples
    --------
    >>> len(list(demo_voice("rms").glob("*.flac")))
    30
    """
    if name not in DEMO_VOICES:
        raise InputError(f"There is no demo voice '{name}'; choose one of {', '.join(DEMO_VOICES)}.")
    return _data() / "voices" / name


def demo_song():
    """The demo song: what is to be sung, and what it is mixed with.

    Returns
    -------
    vocal : Path
        A cappella, sung by a third voice; 44.1 kHz, mono. Beside it lies `greensleeves_notes.csv`, the melody.
    backing : Path
        The accompaniment, of the same length; 44.1 kHz, stereo.

    Raises
    ------
    InputError
        If the demo data is missing.

    Examples
    --------
    >>> [path.name for path in demo_song()]
    ['greensleeves.flac', 'greensleeves_backing.ogg']
    """
    songs = _data() / "songs"
    return songs / "greensleeves.flac", songs / "greensleeves_backing.ogg"


def demo_score(name="greensleeves"):
    """A song as a score: the melody, its words, and what it is mixed with.

    Parameters
    ----------
    name : {"greensleeves", "ode_to_joy", "songbie"}
        In English, German (say so to `vcutils.score.read_score`: "de") and Mandarin.

    Returns
    -------
    melody : Path
        MIDI.
    lyrics : Path
        Text.
    backing : Path
        The accompaniment, stereo.

    Raises
    ------
    InputError
        If there is no demo score of that name, or the demo data is missing.

    Examples
    --------
    >>> [path.name for path in demo_score("songbie")]
    ['songbie.mid', 'songbie.txt', 'songbie_backing.ogg']
    """
    if name not in DEMO_SCORES:
        raise InputError(f"There is no demo score '{name}'; choose one of {', '.join(DEMO_SCORES)}.")
    songs = _data() / "songs"
    return songs / f"{name}.mid", songs / f"{name}.txt", songs / f"{name}_backing.ogg"


def demo_model():
    """The file of the demo voice "slt", trained in advance with preset "quick".

    Returns
    -------
    Path
        For `vcutils.model.load_model`.

    Raises
    ------
    InputError
        If the demo data is missing.

    Examples
    --------
    >>> demo_model().name
    'slt.npz'
    """
    return _data() / "models" / "slt.npz"


def _data():
    """The data folder of an installed wheel, or of a clone."""
    package = Path(__file__).parent
    for folder in (package / "_data", package.parent / "data"):
        if (folder / "voices").is_dir():
            return folder
    raise InputError(f"The demo data is missing: there is no {package / '_data'}; install vcutils again.")
