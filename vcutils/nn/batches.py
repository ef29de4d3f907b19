"""Training batches: random cuts of the recordings, their content disguised, made by TensorFlow while it trains."""
from dataclasses import dataclass

import librosa
import numpy as np
import tensorflow as tf

from vcutils.dsp.content import conditions, content, f0_range, retrieve
from vcutils.dsp.features import DECIBELS, sounding
from vcutils.dsp.synthesizer import pulse_train

N_DISGUISES = 20  # to draw from
RETRIEVED_FACTORS = (0.8, 0.9, 1.0, 1.12, 1.25)  # formant shifts under which neighbours are looked up


@dataclass(frozen=True)
class Tape:
    """All slices of one or more voices end to end, with silence between, so that a batch is a few look-ups.

    Frame `t` is centred on sample ``t * hop_length`` of `y` and of `pulses`.
    """

    disguised: np.ndarray  # [shape=(N_DISGUISES, n_frames, n_mfcc + 3)], content and conditions
    retrieved: np.ndarray  # [shape=(len(RETRIEVED_FACTORS), n_frames, n_mfcc)], content
    y: np.ndarray  # [shape=(n_frames * hop_length,)]
    pulses: np.ndarray  # [shape=(n_frames * hop_length,)]
    starts: np.ndarray  # frames at which a cut may start


def make_tape(speakers, *, config, target_range, database, database_index=None, move_pitch=False):
    """Lay slices end to end.

    Parameters
    ----------
    speakers : list of list of vcutils.dsp.features.Features
        The slices of each speaker.
    config : vcutils.config.Config
    target_range : (float, float, float)
        `vcutils.dsp.content.f0_range` of the target voice.
    database : np.ndarray [shape=(n_database, n_mfcc)]
        Content of the target voice, for retrieval.
    database_index : np.ndarray [shape=(n_database,)], optional
        Which slice each frame of `database` is from; given if the slices are those of the database, so that none finds
        itself.
    move_pitch : bool
        Whether each speaker's pitch is moved to the middle of the target's.

    Returns
    -------
    Tape

    Examples
    --------
    >>> from vcutils.config import preset
    >>> from vcutils.dsp.features import Features
    >>> rng, config = np.random.default_rng(0), preset("smoke")
    >>> voice = [Features(rng.standard_normal(16000), np.full(100, 200.0), np.full(100, -26.0), rng.standard_normal((100, 80)))]
    >>> database = np.zeros((10, 24), np.float32)
    >>> tape = make_tape([voice], config=config, target_range=(150.0, 200.0, 300.0), database=database)
    >>> tape.disguised.shape[0] == N_DISGUISES, tape.starts.shape
    (True, (53,))
    """
    hop, segment, sizes = config.hop_length, config.segment_frames, dict(sr=config.sr, n_mfcc=config.n_mfcc)
    gap = config.n_fft // hop + 1  # room for the analysis window at both ends
    tracks = dict(disguised=[], retrieved=[], y=[], pulses=[])
    rng = np.random.default_rng(config.seed)
    factors = rng.permutation(np.geomspace(config.warp_low, config.warp_high, N_DISGUISES))
    snrs = np.linspace(config.snr_low, config.snr_high, N_DISGUISES)
    position, starts = 0, []

    def lay(name, part, scale=1):
        """Add to a track: a gap, the part, and silence up to a cut's length if the part is shorter."""
        pad = [(0, 0)] * part.ndim
        time = part.ndim - 2 if part.ndim > 1 else 0
        pad[time] = (gap * scale, max(0, segment * scale - part.shape[time]))
        tracks[name].append(np.pad(part, pad).astype(np.float32))

    for utterances in speakers:
        mel = np.concatenate([u.mel for u in utterances])
        loudness = np.concatenate([u.loudness for u in utterances])
        index = np.concatenate([np.full(len(u.mel), i) for i, u in enumerate(utterances)])
        exclude = None if database_index is None else (index, database_index)
        near = content(mel, loudness, factors=RETRIEVED_FACTORS, **sizes)
        near = np.stack([retrieve(c, database, k=config.k, exclude=exclude) for c in near])
        f0 = np.concatenate([u.f0 for u in utterances])
        if move_pitch:
            f0 = f0 * (target_range[1] / f0_range(f0)[1])
        disguised = []
        for factor, snr in zip(factors, snrs):
            noisy_mel, noisy_loudness = add_noise(mel, loudness, sr=config.sr, snr=snr, tilt=rng.uniform(-1, 1))
            (said,) = content(noisy_mel, noisy_loudness, factors=[factor], **sizes)
            disguised.append(np.concatenate([said, conditions(f0, noisy_loudness, target_range=target_range)], axis=1))
        disguised = np.stack(disguised)
        first = 0
        for u in utterances:
            own = slice(first, first + len(u.mel))
            lay("disguised", disguised[:, own])
            lay("retrieved", near[:, own])
            lay("y", u.y, hop)
            lay("pulses", pulse_train(np.append(f0[own], f0[own][-1]), sr=config.sr, hop_length=hop)[0], hop)
            starts.append(position + gap + np.arange(max(1, len(u.mel) - segment + 1)))
            position += gap + max(len(u.mel), segment)
            first += len(u.mel)
    for name, scale in (("y", hop), ("pulses", hop)):
        tracks[name].append(np.zeros(gap * scale, np.float32))
    joined = {name: np.concatenate(parts, axis=max(0, parts[0].ndim - 2)) for name, parts in tracks.items()}
    return Tape(**joined, starts=np.concatenate(starts))


def add_noise(mel, loudness, *, sr, snr, tilt):
    """What a log-mel envelope and the loudness would be had there been a steady noise in the room.

    Powers of independent sounds add up, so that noise needs no audio here.

    Parameters
    ----------
    mel : np.ndarray [shape=(n_frames, n_mels)]
        Natural log of the amplitude.
    loudness : np.ndarray [shape=(n_frames,)]
        dB.
    sr : int
    snr : float
        How far the noise lies below the frames that are not silence, dB.
    tilt : float
        -1: rumbling, 0: white, 1: hissing; the ends of the spectrum differ by 20 dB.

    Returns
    -------
    mel, loudness : np.ndarray
        Of the noisy recording.

    Examples
    --------
    >>> mel, loudness = add_noise(np.zeros((2, 80)), np.array([-26.0, -90.0]), sr=16000, snr=20, tilt=0)
    >>> loudness.round(1)
    array([-26., -46.], dtype=float32)
    """
    active = sounding(loudness)
    width = np.diff(librosa.mel_frequencies(mel.shape[1] + 1, fmax=sr / 2))  # high bands hold more of the power
    level = 0.5 * np.log(np.mean(np.exp(2 * mel[active]) @ width) / width.sum()) - snr / DECIBELS
    noise = level + tilt * np.linspace(-1.15, 1.15, mel.shape[1])
    floor = 10 * np.log10(np.mean(10 ** (loudness[active] / 10))) - snr
    return (
        (0.5 * np.logaddexp(2 * mel, 2 * noise)).astype(np.float32),
        (10 * np.log10(10 ** (loudness / 10) + 10 ** (floor / 10))).astype(np.float32),
    )


def batches(tape, *, config, first_step, n_steps, batch_size, salt=0):
    """The batches of steps ``first_step .. n_steps - 1``.

    Every draw depends on the seed and the step's number alone, so that training goes on after an interruption with
    just the batches that were still to come.

    Parameters
    ----------
    tape : Tape
    config : vcutils.config.Config
    first_step, n_steps, batch_size : int
    salt : int
        Different for different tapes.

    Returns
    -------
    tf.data.Dataset
        Of (inputs [shape=(batch, n_frames, n_mfcc + 3)], pulses, noise [shape=(batch, n_samples + n_fft)],
        y [shape=(batch, n_samples)]), where ``n_samples = (n_frames - 1) * hop_length``.

    Examples
    --------
    >>> from vcutils.config import preset
    >>> from vcutils.dsp.features import Features
    >>> rng, config = np.random.default_rng(0), preset("smoke")
    >>> voice = [Features(rng.standard_normal(16000), np.full(100, 200.0), np.full(100, -26.0), rng.standard_normal((100, 80)))]
    >>> database = np.zeros((10, 24), np.float32)
    >>> tape = make_tape([voice], config=config, target_range=(150.0, 200.0, 300.0), database=database)
    >>> [x.shape for x in next(iter(batches(tape, config=config, first_step=0, n_steps=1, batch_size=4)))][0]
    TensorShape([4, 48, 27])
    """
    segment, hop, n_fft = config.segment_frames, config.hop_length, config.n_fft
    disguised, retrieved = tf.constant(tape.disguised), tf.constant(tape.retrieved)
    y, pulses, starts = tf.constant(tape.y), tf.constant(tape.pulses), tf.constant(tape.starts, tf.int32)
    n = batch_size

    def draw(step):
        seeds = tf.random.split(tf.stack([tf.cast(config.seed * 1000 + salt, tf.int64), step]), 8)
        start = tf.gather(starts, tf.random.stateless_uniform([n], seeds[0], maxval=len(tape.starts), dtype=tf.int32))
        frames = start[:, None] + tf.range(segment)
        # the disguise: a formant shift and noise, ...
        own, told = tf.split(_look_up(disguised, seeds[1], frames), [config.n_mfcc, 3], -1)
        # ... for half of the cuts some of their neighbours in other recordings instead of themselves, ...
        near = _look_up(retrieved, seeds[2], frames)
        strength = tf.nn.relu(tf.random.stateless_uniform([n, 1, 1], seeds[3], -1.0, 1.0))
        said = own + strength * (near - own)
        # ... and offsets, one a cut and one a frame
        said += config.offset_std * tf.random.stateless_normal([n, 1, config.n_mfcc], seeds[4])
        said += config.noise_std * tf.random.stateless_normal([n, segment, config.n_mfcc], seeds[5])
        inputs = tf.concat([said, told], -1)
        samples = (start * hop)[:, None] + tf.range((segment - 1) * hop)
        wide = (start * hop - n_fft // 2)[:, None] + tf.range((segment - 1) * hop + n_fft)
        return inputs, tf.gather(pulses, wide), tf.random.stateless_normal(wide.shape, seeds[6]), tf.gather(y, samples)

    return tf.data.Dataset.range(first_step, n_steps).map(draw, num_parallel_calls=1).prefetch(2)


def _look_up(tracks, seed, frames):
    """The given frames, for each cut of a randomly drawn track."""
    row = tf.random.stateless_uniform([len(frames), 1], seed, maxval=len(tracks), dtype=tf.int32)
    return tf.gather_nd(tracks, tf.stack([tf.broadcast_to(row, frames.shape), frames], -1))
