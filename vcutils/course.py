"""What the notebooks share: a look at the computer, the voice that the course works on, and checks of exercises.

Every notebook can be the first one opened. If the one before it has not run, a sentence says so and the demo's result
takes its place.
"""
import importlib.metadata
import importlib.util
import os
import platform
import shutil
from pathlib import Path

import numpy as np

import vcutils
from vcutils.collect import collect, load_manifest
from vcutils.config import preset
from vcutils.demo import demo_model, demo_song, demo_voice
from vcutils.dsp.audio import load_audio
from vcutils.dsp.effects import limit_peaks
from vcutils.files import atomic_path, sha256
from vcutils.postprocess import export, read_provenance
from vcutils.workspace import DEFAULT, open_voice

READY = "demo_ready"  # the demo voice, trained in advance
DEMO_NOTE = "a synthetic voice of CMU Flite; see data/README.md"
# settings of `experiment`: the generator is shown content as it is (ranges may not be empty)
NO_DISGUISE = dict(warp_low=0.999, warp_high=1.001, snr_low=59.0, snr_high=60.0, offset_std=0.0, noise_std=0.0)
TAKE, RECIPE = "take.wav", "recipe.wav"  # what notebook 04 leaves in a voice's folder of songs


def config():
    """The settings that the notebooks train with.

    Returns
    -------
    vcutils.config.Config
        Of the preset that the environment variable VCUTILS_PRESET names, or "quick".

    Examples
    --------
    >>> config().sr
    16000
    """
    return preset(os.environ.get("VCUTILS_PRESET", "quick"))


def experiment(**overrides):
    """Settings for a training of less than a minute, to compare with others of its kind.

    Parameters
    ----------
    **overrides
        Any attribute of `vcutils.config.Config`.

    Returns
    -------
    vcutils.config.Config
        A fraction of the steps of `config`, half the batch.

    Examples
    --------
    >>> experiment(gan_steps=0).gan_steps
    0
    """
    base = config()
    steps = max(10, min(base.steps // 5, 200))
    sizes = dict(steps=steps, gan_steps=max(4, steps // 3), evaluate_every=max(5, steps // 4), batch_size=max(4, base.batch_size // 2))
    return preset(base.preset, **{**sizes, **overrides})


def check_setup():
    """Say in three lines what the notebook runs on; on Colab, in a fourth, that files are lost there.

    Examples
    --------
    >>> check_setup()  # doctest: +ELLIPSIS
    vcutils ..., Python ..., TensorFlow ..., librosa ...
    Device: ...
    Preset: ...
    """
    versions = ", ".join(f"{name} {importlib.metadata.version(name.lower())}" for name in ("TensorFlow", "librosa"))
    print(f"vcutils {vcutils.__version__}, Python {platform.python_version()}, {versions}")
    from vcutils.nn import tensorflow  # quietly

    gpus = tensorflow.config.list_physical_devices("GPU")
    print(f"Device: {len(gpus)} GPU" if gpus else f"Device: CPU with {os.cpu_count()} cores (no GPU is needed)")
    print(f"Preset: {config().preset}. Voices and songs are kept in {Path(DEFAULT).resolve()}")
    if importlib.util.find_spec("google") and importlib.util.find_spec("google.colab") and "VCUTILS_WORKSPACE" not in os.environ:
        print("Colab gives each notebook a computer of its own, and forgets its files: notebook 00 says how to keep your voice.")


def your_voice(*, needs=None, workspace=DEFAULT, progress=True):
    """The voice that the course works on: the one collected last, or the demo's.

    Parameters
    ----------
    needs : {None, "collect", "preprocess", "train"}
        The step whose result the notebook starts from.
    workspace : str or Path
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    vcutils.workspace.Voice
        Its result of that step is there. If it was not, a printed sentence says what was taken or done instead: the
        demo voice's recordings, or its ready-trained model; features are computed on the spot.

    Raises
    ------
    InputError
        If what is there is damaged.

    Examples
    --------
    >>> import tempfile
    >>> your_voice(needs="collect", workspace=tempfile.mkdtemp(), progress=False).name
    No voice has been collected yet (notebook 01): this notebook goes on with the demo voice.
    'demo'
    """
    manifests = [p for p in Path(workspace).glob("*/collect.json") if p.parent.name != READY and " " not in p.parent.name]  # "anna copy" is no voice
    if not manifests:
        if needs == "train":
            print("No voice has been trained yet (notebooks 01 to 03): this notebook goes on with a demo voice that is ready to sing.")
            return _ready_voice(workspace, progress)
        print("No voice has been collected yet (notebook 01): this notebook goes on with the demo voice.")
        voice = _collect_demo("demo", workspace, progress)
    else:
        voice = open_voice(max(manifests, key=lambda p: p.stat().st_mtime).parent.name, workspace=workspace)
    if needs == "train" and not voice.done("train"):
        print(f"The voice '{voice.name}' has not been trained yet (notebook 03): this notebook goes on with a demo voice that is ready to sing.")
        return _ready_voice(workspace, progress)
    if needs == "preprocess":
        from vcutils.preprocess import preprocess

        if not voice.done("preprocess"):
            print(f"The voice '{voice.name}' has not been preprocessed yet (notebook 02): it is done now.")
        preprocess(voice, config=config(), progress=progress)  # finds ready what is ready
    return voice


def _ready_voice(workspace, progress):
    """The demo voice as all three steps would leave it."""
    voice = _collect_demo(READY, workspace, progress)
    if not voice.done("train") or sha256(voice.model) != sha256(demo_model()):
        with atomic_path(voice.model) as tmp:
            shutil.copyfile(demo_model(), tmp)
    return voice


def _collect_demo(name, workspace, progress):
    """The demo voice as step 1 would leave it."""
    voice = open_voice(name, workspace=workspace)
    collect(demo_voice(), voice, consent="licence", note=DEMO_NOTE, progress=progress)  # finds ready what is ready
    return voice


def your_take(voice):
    """What notebook 04 sang: the dry voice. If it has not run, the demo song is sung now.

    Parameters
    ----------
    voice : vcutils.workspace.Voice
        Trained.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the voice has not been trained.

    Examples
    --------
    >>> from vcutils.workspace import open_voice
    >>> your_take(open_voice("nobody"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    vcutils.errors.InputError: The voice 'nobody' has no result of step 'train' ...
    """
    voice.require("train")
    path = voice.songs / TAKE
    if not path.is_file():
        from vcutils.generate import convert

        print(f"The voice '{voice.name}' has not sung yet (notebook 04): it sings the demo song now.")
        sung = convert(voice, demo_song()[0], key="octave")
        export(path, limit_peaks(sung["y"], sr=sung["sr"]), sung["sr"], about=sung["about"])  # a file holds no peaks above 1
    elif read_provenance(path).get("model_sha256") not in (None, sha256(voice.model)):
        print(f"The voice '{voice.name}' was trained again after it sang this song: run notebook 04 again to hear the new one.")
    return path


def your_recipe(voice, *, progress=True):
    """What the recipe makes of the demo song. If notebook 04 has not made it, it is made now, in about half a minute.

    Parameters
    ----------
    voice : vcutils.workspace.Voice
        With collected recordings.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If nothing has been collected.

    Examples
    --------
    >>> from vcutils.workspace import open_voice
    >>> your_recipe(open_voice("nobody"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    vcutils.errors.InputError: The voice 'nobody' has no result of step 'collect' ...
    """
    path = voice.songs / RECIPE
    recordings = sorted(entry["sha256"] for entry in load_manifest(voice)["files"])
    if not path.is_file() or read_provenance(path).get("recordings") != recordings:
        from vcutils.recipe import convert_recipe, train_recipe
        from vcutils.results import split_recordings

        target, _ = split_recordings(voice, sr=16000)
        recipe = train_recipe(target, sr=16000, progress=progress)
        y, _ = load_audio(demo_song()[0], sr=16000)
        export(path, convert_recipe(recipe, y, sr=16000), 16000, about={"voice": voice.name, "method": "recipe", "recordings": recordings})
    return path


def check(answer, right, *, wrong=None, hint="", tolerance=0.0):
    """Say whether an exercise is solved, and if not, what is wrong.

    Parameters
    ----------
    answer : object
        The learner's; ``...`` if there is none yet.
    right : object
    wrong : dict, optional
        Answers that people often give, and what is wrong with each.
    hint : str
        For any other answer.
    tolerance : float
        A number may be this far from `right` or from a key of `wrong`, as a share of it.

    Examples
    --------
    >>> check(..., 100)
    Not answered yet: write your answer in place of the three dots and run the cell again.
    >>> check(160, 100, wrong={160: "That is the hop in samples; divide the rate by it."})
    Not yet. That is the hop in samples; divide the rate by it.
    >>> check(100.2, 100, tolerance=0.01)
    Right.
    """
    number = (int, float, np.number)

    def same(a, b):
        if isinstance(a, number) and isinstance(b, number) and not isinstance(a, bool):
            return bool(abs(a - b) <= tolerance * abs(b))
        return type(a) is type(b) and a == b

    if answer is ...:
        print("Not answered yet: write your answer in place of the three dots and run the cell again.")
    elif same(answer, right):
        print("Right.")
    else:
        why = next((text for value, text in (wrong or {}).items() if same(answer, value)), hint)
        if not why and isinstance(answer, number) and isinstance(right, number) and not isinstance(answer, bool):
            why = "It is too high." if answer > right else "It is too low."
        print(f"Not yet. {why}".rstrip())
