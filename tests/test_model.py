"""The voice file: a round trip, and every way in which a file may be wrong."""
import json
import pickle

import numpy as np
import pytest

from vcutils.config import preset
from vcutils.errors import InputError
from vcutils.model import VoiceModel, load_model, save_model


@pytest.fixture
def model():
    rng = np.random.default_rng(0)
    return VoiceModel(preset("smoke"), [rng.standard_normal((3, 4)).astype(np.float32)] * 12, rng.standard_normal((50, 24)), (100.0, 150.0, 200.0), dict(voice="anna", identity="0", consent={"kind": "self"}, training={}))


def test_round_trip(tmp_path, model):
    save_model(tmp_path / "model.npz", model)
    back = load_model(tmp_path / "model.npz")
    assert back.config == model.config and back.f0_range == model.f0_range and back.about == model.about
    assert len(back.weights) == 12
    np.testing.assert_array_equal(back.weights[11], model.weights[11])
    np.testing.assert_allclose(back.database, model.database, atol=2e-3)  # half precision on disk


def rewrite(path, **changes):
    with np.load(path) as stored:
        arrays = {k: stored[k] for k in stored.files}
    arrays.update(changes)
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})


def header(path, **changes):
    with np.load(path) as stored:
        return json.dumps(dict(json.loads(str(stored["header"])), **changes))


def test_damaged_and_foreign_files_are_named(tmp_path, model):
    good = tmp_path / "model.npz"
    save_model(good, model)
    whole = good.read_bytes()
    bad = tmp_path / "bad.npz"
    wrong = {
        "empty": b"",
        "text": b"not a model",
        "cut short": whole[: len(whole) // 2],
        "bytes flipped": whole[:600] + bytes(b ^ 255 for b in whole[600:900]) + whole[900:],
    }
    for content in wrong.values():
        bad.write_bytes(content)
        with pytest.raises(InputError, match="bad.npz is no cloned voice, or is damaged"):
            load_model(bad)
    for changes in (
        dict(header=None),
        dict(header="[]"),
        dict(header=header(good, config={"sr": 16000, "surprise": 1})),
        dict(header=header(good, f0_range=[1.0])),
        dict(header=header(good, about={"voice": "anna"})),
        dict(database=np.zeros((0, 24))),
        dict(database=np.zeros((50, 3))),
        dict(weight_000=np.full((3, 4), np.nan)),
    ):
        bad.write_bytes(whole)
        rewrite(bad, **changes)
        with pytest.raises(InputError, match="bad.npz is no cloned voice, or is damaged"):
            load_model(bad)
    for changes in (dict(header="[" * 100000), dict(header=header(good, f0_range=[1.0, None, 2.0]))):
        bad.write_bytes(whole)
        rewrite(bad, **changes)
        with pytest.raises(InputError, match="bad.npz is no cloned voice, or is damaged"):
            load_model(bad)
    bad.write_bytes(whole)
    rewrite(bad, header=header(good, config={"preset": "smoke", "surprise": 1}))
    with pytest.raises(InputError, match="settings that this version of vcutils cannot use.*surprise"):
        load_model(bad)
    bad.write_bytes(whole)
    rewrite(bad, header=header(good, format=99))
    with pytest.raises(InputError, match="another version of vcutils"):
        load_model(bad)
    with pytest.raises(InputError, match="no cloned voice at .*none.npz"):
        load_model(tmp_path / "none.npz")


def test_nothing_in_a_file_is_executed(tmp_path, model):
    """A pickled object inside, the usual way to attack, is refused without being unpickled."""
    path, trace = tmp_path / "model.npz", tmp_path / "executed"

    class Attack:
        def __reduce__(self):
            return (open, (str(trace), "w"))

    save_model(path, model)
    rewrite(path, database=np.array([Attack()], dtype=object))
    with pytest.raises(InputError):
        load_model(path)
    assert not trace.exists()
    path.write_bytes(pickle.dumps(Attack()))
    with pytest.raises(InputError):
        load_model(path)
    assert not trace.exists()
