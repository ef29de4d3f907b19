"""Settings: presets, overrides and what they refuse."""
import dataclasses

import pytest

from vcutils.config import PRESETS, preset
from vcutils.errors import InputError


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_fits_together(name):
    config = preset(name)
    assert config.preset == name
    assert config.hop_length / config.sr == pytest.approx(0.01)
    assert config.n_fft >= 3 * config.sr / 70  # three periods of a low male voice


def test_any_setting_can_be_overridden_and_only_those():
    assert preset("quick", steps=5, k=8).k == 8
    with pytest.raises(InputError, match="'hop_lenght'.*did you mean 'hop_length'"):
        preset("quick", hop_lenght=80)
    with pytest.raises(InputError, match="no preset 'fast'.*quick"):
        preset("fast")
    with pytest.raises(InputError, match="four times"):
        preset("quick", hop_length=200)


@pytest.mark.parametrize(
    "setting",
    [dict(steps=0), dict(steps=1.5), dict(steps=True), dict(batch_size=1), dict(k=0), dict(evaluate_every=0), dict(segment_frames=4),
     dict(learning_rate=float("nan")), dict(learning_rate="fast"), dict(n_mfcc=100), dict(fmin=2000.0), dict(mixed_precision=1), dict(f0_method=3), dict(f0_method="ear"),
     dict(fmax=9000.0), dict(seed=2**32)],
)  # fmt: skip
def test_settings_that_cannot_work_are_named(setting):
    with pytest.raises(InputError, match=next(iter(setting))):
        preset("quick", **setting)


def test_no_adversary_is_a_setting():
    assert preset("quick", gan_steps=0, offset_std=0, learning_rate=1).gan_steps == 0


def test_settings_cannot_be_changed_later():
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset("quick").sr = 8000


def test_feature_hash_follows_the_features_only():
    base = preset("quick")
    assert preset("quick", steps=1).feature_hash == base.feature_hash
    assert preset("quick", fmax=800.0).feature_hash != base.feature_hash
