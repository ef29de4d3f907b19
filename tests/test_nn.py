"""What learns: disguises, losses, the adversary, and rendering in pieces."""
import numpy as np
import pytest

import vcutils.nn  # noqa: F401
import tensorflow as tf
from vcutils.config import preset
from vcutils.dsp.content import content, f0_range
from vcutils.dsp.features import analyse, loudness, sounding
from vcutils.nn.batches import add_noise, batches, make_tape
from vcutils.nn.losses import stft_loss
from vcutils.nn.networks import build_generator, receptive_field
from vcutils.nn.render import predict_filters, render
from vcutils.nn.trainer import Trainer, make_generator, make_synthesizer

CONFIG = preset("smoke", offset_std=0.0, noise_std=0.0)


pytestmark = pytest.mark.filterwarnings("ignore:Even though the:UserWarning")  # batches are compiled all the same


@pytest.fixture(autouse=True)
def eager():
    """Steps run without being compiled, which takes longer than the few steps taken here; test_train.py compiles them."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def utterances(sing):
    whole = [analyse(sing(4.0, f0=f0), **CONFIG.analysis) for f0 in (120.0, 140.0)]
    return [type(u)(u.y[: 400 * 160], u.f0[:400], u.loudness[:400], u.mel[:400]) for u in whole]


@pytest.fixture(scope="module")
def tape(utterances):
    mel, loudness = (np.concatenate([getattr(u, k) for u in utterances]) for k in ("mel", "loudness"))
    (database,) = content(mel, loudness, sr=CONFIG.sr, n_mfcc=CONFIG.n_mfcc)
    index = np.repeat([0, 1], 400)
    return make_tape([utterances], config=CONFIG, target_range=f0_range(utterances[0].f0), database=database, database_index=index)


def draw(tape, config=CONFIG, n=1, first=0, salt=0):
    return list(batches(tape, config=config, first_step=first, n_steps=first + n, batch_size=config.batch_size, salt=salt))


# ---- batches

def frames_of(batch, tape):
    """At which frame of the tape each cut starts, found by its audio."""
    y, hop = batch[3].numpy(), CONFIG.hop_length
    return [next(s for s in tape.starts if np.array_equal(tape.y[s * hop : s * hop + y.shape[1]], cut)) for cut in y]


def test_content_is_disguised_while_the_audio_is_not(tape):
    """Perturbation: cuts come with formants moved and noise added in many ways, and the audio to be rebuilt is the recording."""
    disguises = set()
    for batch in draw(tape, n=12):
        for start, inputs in zip(frames_of(batch, tape), batch[0].numpy()):
            known = tape.disguised[:, start : start + CONFIG.segment_frames]
            match = np.flatnonzero([np.allclose(inputs, d, atol=1e-5) for d in known])
            disguises.update(match)
    assert len(disguises) >= 5


@pytest.mark.parametrize("alone", [dict(snr_low=99.0, snr_high=100.0), dict(warp_low=0.999, warp_high=1.001, snr_low=5.0, snr_high=20.0)])
def test_each_part_of_the_disguise_disguises(utterances, alone):
    """Formant shifts without noise, and noise without formant shifts, both change content by a good part of its spread."""
    mel, loudness = (np.concatenate([getattr(u, k) for u in utterances]) for k in ("mel", "loudness"))
    (plain,) = content(mel, loudness, sr=CONFIG.sr, n_mfcc=CONFIG.n_mfcc)
    tape = make_tape([utterances], config=preset("smoke", **alone), target_range=(100.0, 130.0, 150.0), database=plain[:10])
    gap = CONFIG.n_fft // CONFIG.hop_length + 1
    apart = np.abs(tape.disguised[:, gap : gap + 400, : CONFIG.n_mfcc] - plain[:400]).mean(axis=(1, 2))
    assert np.median(apart) > 0.2  # standard deviations


def test_added_noise_is_where_it_was_asked_for(sing):
    """Against real noise in the audio: levels and envelopes of the two ways agree within 3 dB where noise rules."""
    y = sing(4.0)
    noise = 0.01 * np.random.default_rng(1).standard_normal(len(y)).astype(np.float32)
    clean = analyse(y, **CONFIG.analysis)
    active = sounding(clean.loudness)
    noisy = analyse(y + noise, **CONFIG.analysis)
    pause = slice(85, 96)  # the voice pauses from 0.8 to 1 s
    weighted = [10 * np.log10(np.mean(10 ** (loudness(x, sr=16000, hop_length=160, n_fft=1024)[active] / 10))) for x in (y, noise)]
    _, loud = add_noise(clean.mel, clean.loudness, sr=16000, snr=weighted[0] - weighted[1], tilt=0.0)
    assert abs((noisy.loudness - loud)[pause].mean()) < 3  # the level is set by a mean of dB, the noise by one of powers
    snr = 10 * np.log10(np.mean(y[np.repeat(active, 160)[: len(y)]] ** 2) / np.mean(noise**2))
    mel, _ = add_noise(clean.mel, clean.loudness, sr=16000, snr=snr, tilt=0.0)
    assert abs(8.686 * (noisy.mel - mel)[pause, 10:].mean()) < 4  # 2.5 dB of it: the mean log of noise is below its level


def test_half_of_the_cuts_are_partly_replaced_by_their_neighbours(tape):
    """Prematching: such content lies on the line between a disguised cut and retrieved frames."""
    blended = 0
    all_batches = draw(tape, n=10)
    for batch in all_batches:
        for start, inputs in zip(frames_of(batch, tape), batch[0].numpy()):
            cut = slice(start, start + CONFIG.segment_frames)
            said = inputs[:, : CONFIG.n_mfcc]
            for own in tape.disguised[:, cut, : CONFIG.n_mfcc]:
                for near in tape.retrieved[:, cut]:
                    direction, moved = (near - own).ravel(), (said - own).ravel()
                    strength = moved @ direction / (direction @ direction)
                    if 0.02 < strength < 1 and np.allclose(moved, strength * direction, atol=1e-4):
                        blended += 1
                        break
                else:
                    continue
                break
    assert 0.25 < blended / (10 * CONFIG.batch_size) < 0.75


def test_neighbours_come_from_other_slices(utterances, tape):
    """Retrieved content of a slice is made of the other slice's frames: with one frame to choose from, of that one."""
    database = np.stack([np.zeros(CONFIG.n_mfcc), np.ones(CONFIG.n_mfcc)]).astype(np.float32)
    only = make_tape([utterances], config=preset("smoke", k=1), target_range=(100.0, 130.0, 150.0), database=database, database_index=np.array([0, 1]))
    gap = CONFIG.n_fft // CONFIG.hop_length + 1
    assert (only.retrieved[:, gap : gap + 400] == 1).all() and (only.retrieved[:, 2 * gap + 400 : 2 * gap + 800] == 0).all()


def test_batches_depend_on_seed_and_step_alone(tape):
    through = draw(tape, n=6)
    resumed = draw(tape, n=2, first=4)
    for a, b in zip(through[4:], resumed):
        for x, y in zip(a, b):
            np.testing.assert_array_equal(x, y)
    other = draw(tape, config=preset("smoke", seed=1))[0]
    assert not np.array_equal(other[3], through[0][3])


def test_pitch_of_other_speakers_is_moved_to_the_target(utterances):
    database = np.zeros((4, CONFIG.n_mfcc), np.float32)
    moved = make_tape([utterances], config=CONFIG, target_range=(200.0, 260.0, 300.0), database=database, move_pitch=True)
    spectrum = np.abs(np.fft.rfft(moved.pulses))
    hz = np.fft.rfftfreq(len(moved.pulses), 1 / CONFIG.sr)
    assert spectrum[(hz > 220) & (hz < 300)].max() > 3 * spectrum[(hz > 90) & (hz < 180)].max()


# ---- losses and steps

def test_stft_loss_hears_level_pitch_and_time():
    y = np.random.default_rng(0).standard_normal((1, 8000)).astype(np.float32)
    assert float(stft_loss(tf.constant(y), tf.constant(y))) == 0
    assert float(stft_loss(tf.constant(0.5 * y), tf.constant(y))) > 0.3
    gated = y * (np.arange(8000) % 2000 < 1000)
    assert float(stft_loss(tf.constant(gated.astype(np.float32)), tf.constant(y))) > 0.5


@pytest.mark.integration
def test_reconstruction_learns_one_batch(tape):
    trainer = Trainer(preset("smoke", learning_rate=3e-3), np.full(80, -5.0))
    batch = draw(tape)[0]
    losses = [float(trainer.reconstruction_step(batch)["stft"]) for _ in range(25)]
    assert losses[-1] < 0.75 * losses[0]


@pytest.mark.integration
def test_adversary_learns_to_tell_recordings_from_made_sound(tape):
    trainer = Trainer(preset("smoke", learning_rate=2e-3), np.full(80, -5.0))
    batch, other = draw(tape)[0], draw(tape, salt=1)[0]
    losses = [trainer.adversarial_step(batch, other) for _ in range(20)]
    assert float(losses[-1]["judge"]) < 0.7 * float(losses[0]["judge"])


@pytest.mark.integration
def test_converted_speech_teaches_the_generator(tape):
    """With every other loss switched off, the adversary's verdict on conversions still moves the generator."""
    alone = dict(stft_weight=0.0, feature_weight=0.0, adversarial_weight=0.0)
    batch, other = draw(tape)[0], draw(tape, salt=1)[0]
    moved = []
    for converted_weight in (1.0, 0.0):
        trainer = Trainer(preset("smoke", **alone, converted_weight=converted_weight), np.full(80, -5.0))
        trainer.optimizer.weight_decay = 0.0
        before = trainer.generator.get_weights()
        for _ in range(3):
            trainer.adversarial_step(batch, other)
        moved.append(sum(np.abs(a - b).sum() for a, b in zip(before, trainer.generator.get_weights())))
    assert moved[0] > 0 and moved[0] > 100 * moved[1]


def test_recordings_train_against_the_adversary_too(tape):
    only = dict(stft_weight=0.0, feature_weight=0.0, converted_weight=0.0)
    trainer = Trainer(preset("smoke", **only), np.full(80, -5.0))
    before = trainer.generator.get_weights()
    for _ in range(3):
        trainer.adversarial_step(draw(tape)[0], draw(tape, salt=1)[0])
    assert max(np.abs(a - b).max() for a, b in zip(before, trainer.generator.get_weights())) > 1e-4


def test_state_restores_all_of_it(tape):
    """Weights, moments, averages and discriminators: two more steps of each phase end in the same state."""
    batch, other = draw(tape)[0], draw(tape, salt=1)[0]
    one, two = (Trainer(preset("smoke", seed=seed), np.full(80, -5.0)) for seed in (0, 1))
    for trainer in (one, two):
        trainer.reconstruction_step(batch)
        trainer.adversarial_step(batch, other)
    two.restore(one.state())
    for trainer in (one, two):
        trainer.reconstruction_step(batch)
        trainer.adversarial_step(batch, other)
    for a, b in zip(one.state(), two.state(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)  # the order of additions differs between runs


def test_averaged_weights_are_lent_not_kept(tape):
    trainer = Trainer(preset("smoke"), np.full(80, -5.0))
    for batch in draw(tape, n=3):  # the average starts at the first step's weights
        trainer.reconstruction_step(batch)
    raw = trainer.generator.get_weights()
    with trainer.averaged():
        inside = trainer.generator.get_weights()
    assert any(not np.array_equal(a, b) for a, b in zip(raw, inside))
    for a, b in zip(raw, trainer.generator.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_mixed_precision_keeps_audio_in_float32(tape):
    config = preset("smoke", mixed_precision=True)
    trainer = Trainer(config, np.full(80, -5.0))
    losses = trainer.adversarial_step(draw(tape)[0], draw(tape, salt=1)[0])
    assert all(np.isfinite(float(v)) and v.dtype == tf.float32 for v in losses.values())
    assert trainer.generator.layers[1].compute_dtype == "bfloat16"
    assert make_generator(CONFIG).layers[1].compute_dtype == "float32"


def test_studio_networks_train_a_step(utterances):
    """The GPU preset's sizes, for one step of each phase, on a short cut of 44.1 kHz audio."""
    config = preset("studio", batch_size=2, segment_frames=24, width=64, n_blocks=2, mixed_precision=False)
    rng = np.random.default_rng(0)
    n, n_wide = 23 * config.hop_length, 23 * config.hop_length + config.n_fft
    shapes = ((2, 24, config.n_mfcc + 3), (2, n_wide), (2, n_wide), (2, n))
    batch = tuple(tf.constant(rng.standard_normal(s), tf.float32) for s in shapes)
    trainer = Trainer(config, np.full(config.n_mels, -5.0))
    assert np.isfinite(float(trainer.reconstruction_step(batch)["stft"]))
    assert all(np.isfinite(float(v)) for v in trainer.adversarial_step(batch, batch).values())


# ---- rendering

@pytest.fixture(scope="module")
def talker():
    generator = make_generator(CONFIG)
    rng = np.random.default_rng(0)
    generator.set_weights([0.2 * rng.standard_normal(w.shape) for w in generator.get_weights()])
    return generator, make_synthesizer(CONFIG)


def test_receptive_field_is_what_the_network_sees():
    generator = build_generator(n_inputs=4, n_outputs=4, width=8, n_blocks=3)
    rng = np.random.default_rng(0)
    generator.set_weights([rng.standard_normal(w.shape) for w in generator.get_weights()])
    x = np.zeros((2, 101, 4), np.float32)
    x[1, 50] = 1
    y = generator(x).numpy()
    seen = np.flatnonzero(np.abs(y[1] - y[0]).max(-1) > 1e-6)
    assert 50 - seen.min() == seen.max() - 50 == receptive_field(3)


def test_rendering_in_pieces_leaves_no_seam(talker):
    rng = np.random.default_rng(1)
    generator, synthesizer = talker
    inputs = rng.standard_normal((700, CONFIG.n_mfcc + 3)).astype(np.float32)
    f0 = 200 + 50 * np.sin(np.arange(700) / 30)
    filters, filters_in_pieces = (predict_filters(generator, inputs, config=CONFIG, chunk_frames=n) for n in (10_000, 90))
    np.testing.assert_allclose(filters, filters_in_pieces, atol=1e-4)
    whole, pieces = (render(synthesizer, filters, f0, config=CONFIG, chunk_frames=n) for n in (10_000, 90))
    assert len(whole) == len(pieces) == 700 * CONFIG.hop_length
    assert np.abs(whole - pieces).max() < 1e-4 * np.abs(whole).max()
