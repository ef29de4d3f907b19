"""The training itself: one compiled step for each of the two phases, and a state that can be saved."""
import contextlib

import keras
import numpy as np
import tensorflow as tf

from vcutils.nn.losses import adversarial_loss, discriminator_loss, feature_matching_loss, stft_loss
from vcutils.nn.networks import LogMel, build_discriminator, build_generator
from vcutils.nn.synthesizer import Synthesizer

RESOLUTIONS = ((512, 64), (1024, 80), (2048, 96))  # (n_fft at 16 kHz, n_mels) of each discriminator


class Trainer:
    """Generator, discriminators and their optimizers, for one voice.

    Parameters
    ----------
    config : vcutils.config.Config
    mean_mel : np.ndarray [shape=(n_mels,)]
        Average log-mel envelope of the target: what the generator says before it has learned anything.

    Examples
    --------
    >>> from vcutils.config import preset
    >>> Trainer(preset("smoke"), np.full(80, -5.0)).generator.output_shape
    (None, None, 160)
    """

    def __init__(self, config, mean_mel):
        keras.utils.set_random_seed(config.seed)
        self.config = config
        self.generator = make_generator(config)
        self.generator.layers[-1].bias.assign(np.concatenate([mean_mel, mean_mel - 1.5]))
        self.synthesizer = make_synthesizer(config)
        scale = 2.0 ** round(np.log2(config.sr / 16000))
        self.log_mels = [LogMel(sr=config.sr, n_fft=int(n_fft * scale), n_mels=n_mels) for n_fft, n_mels in RESOLUTIONS]
        with precision(config):
            self.discriminators = [build_discriminator(n_mels=n_mels, width=config.discriminator_width) for _, n_mels in RESOLUTIONS]
        total = config.steps + config.gan_steps
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, total, alpha=0.05, warmup_target=config.learning_rate, warmup_steps=min(50, total // 4)
        )
        # the average of the last weights sounds better than the last ones
        self.optimizer = keras.optimizers.AdamW(schedule, beta_2=0.99, weight_decay=0.01, global_clipnorm=5.0, use_ema=True, ema_momentum=0.99)
        self.optimizer.build(self.generator.trainable_variables)
        self.judges = [v for d in self.discriminators for v in d.trainable_variables]
        self.judge_optimizer = keras.optimizers.AdamW(config.learning_rate / 2, beta_1=0.5, beta_2=0.9, weight_decay=0.01)
        self.judge_optimizer.build(self.judges)

    def _render(self, inputs, pulses, noise):
        """Audio, without the ends that lack a neighbouring frame."""
        return self._inner(self.synthesizer(pulses, noise, self.generator(inputs, training=True)))

    def _inner(self, y):
        return y[:, self.config.win_length // 2 : -(self.config.win_length // 2)]

    @tf.function
    def reconstruction_step(self, batch):
        """One step of the first phase. Returns its losses as a dict of scalars."""
        inputs, pulses, noise, y = batch
        with tf.GradientTape() as tape:
            loss = stft_loss(self._render(inputs, pulses, noise), self._inner(y))
        self.optimizer.apply_gradients(zip(tape.gradient(loss, self.generator.trainable_variables), self.generator.trainable_variables))
        return {"stft": loss}

    @tf.function
    def adversarial_step(self, batch, other):
        """One step of the second phase. `other` is a batch of other speakers' content at the target's pitch."""
        inputs, pulses, noise, y = batch
        y, n = self._inner(y), len(inputs)
        with tf.GradientTape() as tape, tf.GradientTape() as judge_tape:
            made = self._render(*(tf.concat(pair, 0) for pair in zip((inputs, pulses, noise), other[:3])))
            real_maps, made_maps = self._judge(y), self._judge(made)
            copied_maps = [[m[:n] for m in maps] for maps in made_maps]
            judge_loss = discriminator_loss([m[-1] for m in real_maps], [m[-1] for m in made_maps])
            stft = stft_loss(made[:n], y)
            features = feature_matching_loss([m[:-1] for m in real_maps], [m[:-1] for m in copied_maps])
            fooled = adversarial_loss([m[-1][:n] for m in made_maps])
            # converted speech has no recording to be compared with: the adversary is all that teaches it
            converted = adversarial_loss([m[-1][n:] for m in made_maps])
            c = self.config
            loss = c.stft_weight * stft + c.feature_weight * features + c.adversarial_weight * fooled + c.converted_weight * converted
        self.optimizer.apply_gradients(zip(tape.gradient(loss, self.generator.trainable_variables), self.generator.trainable_variables))
        self.judge_optimizer.apply_gradients(zip(judge_tape.gradient(judge_loss, self.judges), self.judges))
        return {"stft": stft, "features": features, "fooled": fooled, "converted": converted, "judge": judge_loss}

    def _judge(self, y):
        """For each discriminator its feature maps and, last, its scores, in full precision."""
        return [[tf.cast(x, tf.float32) for x in d(m(y), training=True)] for m, d in zip(self.log_mels, self.discriminators)]

    @tf.function
    def _score(self, inputs, pulses, noise, y):
        return stft_loss(self._render(inputs, pulses, noise), self._inner(y))

    @contextlib.contextmanager
    def averaged(self):
        """A context in which the generator has its weights averaged over the last steps."""
        raw = self.generator.get_weights()
        self.optimizer.finalize_variable_values(self.generator.trainable_variables)
        try:
            yield self.generator
        finally:
            self.generator.set_weights(raw)

    def evaluate(self, held_out):
        """Mean STFT loss over batches of held-out recordings."""
        return float(np.mean([self._score(*batch) for batch in held_out]))

    def _variables(self):
        return [*self.generator.variables, *self.optimizer.variables, *self.judges, *self.judge_optimizer.variables]

    def state(self):
        """Everything that training needs to go on, as a list of arrays."""
        return [np.asarray(v) for v in self._variables()]

    def restore(self, state):
        """Put back what `state` gave."""
        for variable, value in zip(self._variables(), state, strict=True):
            variable.assign(value)


@contextlib.contextmanager
def precision(config):
    """A context in which Keras builds networks in bfloat16 if the configuration asks for it.

    Parameters
    ----------
    config : vcutils.config.Config

    Examples
    --------
    >>> from vcutils.config import preset
    >>> with precision(preset("studio")):
    ...     keras.config.dtype_policy().compute_dtype
    'bfloat16'
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if config.mixed_precision else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def make_generator(config):
    """The generator with the sizes of a configuration.

    Examples
    --------
    >>> from vcutils.config import preset
    >>> make_generator(preset("smoke")).input_shape
    (None, None, 27)
    """
    with precision(config):
        return build_generator(n_inputs=config.n_mfcc + 3, n_outputs=2 * config.n_mels, width=config.width, n_blocks=config.n_blocks)


def make_synthesizer(config):
    """The synthesizer with the sizes of a configuration.

    Examples
    --------
    >>> from vcutils.config import preset
    >>> make_synthesizer(preset("quick")).hop_length
    160
    """
    return Synthesizer(sr=config.sr, hop_length=config.hop_length, win_length=config.win_length, n_fft=config.n_fft, n_mels=config.n_mels)
