"""Step 3, train: features in, a cloned voice out. It can be interrupted at any time and goes on where it stopped."""
import dataclasses
import json
import time

import numpy as np
from tqdm.auto import tqdm

import vcutils.nn  # noqa: F401  (loads TensorFlow quietly)
from vcutils.collect import load_manifest
from vcutils.config import fingerprint
from vcutils.demo import DEMO_VOICES, demo_voice
from vcutils.dsp.audio import SYNTHETIC, load_audio, save_audio
from vcutils.dsp.content import conditions, content, f0_range
from vcutils.dsp.features import analyse
from vcutils.errors import InputError
from vcutils.files import DAMAGED, atomic_path, read_json, remove_leftovers, sha256
from vcutils.model import VoiceModel, load_model, save_model
from vcutils.nn.batches import batches, make_tape
from vcutils.nn.render import predict_filters, render
from vcutils.nn.trainer import Trainer
from vcutils.preprocess import load_features

OTHER_SECONDS = 60  # of each other speaker, for the adversary to judge conversions of
MAX_DATABASE = 20_000  # frames to look neighbours up in: more take time and add little
TOLERANCE = 1.05  # a held-out loss this many times the best is near it
HELD_OUT_SHARE = 0.06  # of the recordings, at most 20 s


def train(voice, *, config, progress=True, on_step=None, on_evaluation=None):
    """Train the generator on a voice's features, and write ``voice.model``.

    First it learns to rebuild the recordings from disguised content (`config.steps`), then the discriminators join in
    (`config.gan_steps`). Every `config.checkpoint_every` steps the whole state is written to ``voice.training``, and
    the same call goes on from there. Every `config.evaluate_every` steps it is scored on recordings that were held
    out, and a preview of one of them, disguised, is written beside the checkpoint. The first phase ends early when
    the score stops falling, and the latest weights whose score is near the best are kept.

    Parameters
    ----------
    voice : vcutils.workspace.Voice
        Preprocessed with the same settings.
    config : vcutils.config.Config
    progress : bool
        Show a bar with loss, speed and time left.
    on_step : callable, optional
        Called after every step with the number of steps done and of all; if it returns True, training is interrupted
        after writing a checkpoint.
    on_evaluation : callable, optional
        Called after every evaluation with the history so far and the path of the preview.

    Returns
    -------
    dict
        ``finished``, ``steps`` (done in all), ``history`` (a dict for each evaluation), ``kept_step``, ``reason``
        (why it ended where it did, a sentence), ``resumed_at``, ``seconds`` (of this call).

    Raises
    ------
    InputError
        If a step before this one is missing, the checkpoint is damaged, or the training diverges.

    Examples
    --------
    >>> from vcutils.config import preset
    >>> from vcutils.workspace import open_voice
    >>> train(open_voice("nobody"), config=preset("smoke"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    vcutils.errors.InputError: The voice 'nobody' has no result ...
    """
    began = time.monotonic()
    manifest = load_manifest(voice)
    utterances = load_features(voice, config=config)
    others = _other_voices(manifest)
    identity = fingerprint([dataclasses.asdict(config), read_json(voice.features / "index.json")["files"], others])
    ready = _finished(voice, identity, manifest["consent"])
    if ready:
        return dict(ready, finished=True, resumed_at=ready["steps"], seconds=0.0)

    remove_leftovers(voice.training)
    utterances, held_out = _hold_out(utterances, config)
    target_range = f0_range(np.concatenate([u.f0 for u in utterances]))
    database, index, mean_mel = _database(utterances, config)
    laid = dict(config=config, target_range=target_range, database=database)
    tape = make_tape([utterances], database_index=index, **laid)
    other_tape = make_tape(_others(others, config) or [utterances], move_pitch=True, **laid)
    check_tape = make_tape([held_out], **laid)
    check = list(batches(check_tape, config=config, first_step=0, n_steps=4, batch_size=config.batch_size, salt=2))

    trainer = Trainer(config, mean_mel)
    checkpoint = voice.training / "checkpoint.npz"
    state = _restore(checkpoint, trainer, identity) or dict(step=0, gan_start=config.steps, history=[], best=None)
    resumed_at = state["step"]

    def data(first_step):
        own = batches(tape, config=config, first_step=first_step, n_steps=total, batch_size=config.batch_size, salt=0)
        other = batches(other_tape, config=config, first_step=first_step, n_steps=total, batch_size=config.batch_size // 2, salt=1)
        return iter(own), iter(other)

    interrupted = False
    total = state["gan_start"] + config.gan_steps
    bar = tqdm(total=total, initial=state["step"], desc="Training", unit="step", disable=not progress)
    own, other = data(state["step"])
    while state["step"] < total and not interrupted:
        adversarial = state["step"] >= state["gan_start"]
        losses = trainer.adversarial_step(next(own), next(other)) if adversarial else trainer.reconstruction_step(next(own))
        state["step"] += 1
        bar.update()
        last = state["step"] == total
        if state["step"] % config.evaluate_every == 0 or last:
            with trainer.averaged():
                _evaluate(trainer, state, check, {k: float(v) for k, v in losses.items()})
                preview = _preview(trainer, voice, held_out, state, config, target_range)
            bar.set_postfix(held_out=f"{state['history'][-1]['held_out']:.3f}", phase="GAN" if adversarial else "STFT")
            if on_evaluation:
                on_evaluation(state["history"], preview)
            if not adversarial and not last and _plateau(state["history"], config.patience):
                state["gan_start"], total = state["step"], state["step"] + config.gan_steps
                trainer.optimizer.iterations.assign(config.steps)  # the learning rate goes on as planned from there
                bar.total = total
                own, other = data(state["step"])
        interrupted = bool(on_step and on_step(state["step"], total)) and not last
        if state["step"] % config.checkpoint_every == 0 or interrupted or last:
            _save(checkpoint, trainer, state, identity)
    bar.close()

    training = dict(steps=state["step"], history=state["history"])
    if interrupted:
        training["reason"] = f"Stopped by you at step {state['step']} of {total}; run it again to go on."
        return dict(training, finished=False, kept_step=None, resumed_at=resumed_at, seconds=time.monotonic() - began)
    training.update(kept_step=state["best"]["step"], reason=_reason(state, config))
    about = dict(voice=voice.name, identity=identity, consent=manifest["consent"], training=training)
    about["recordings"] = {f["file"]: f["sha256"] for f in manifest["files"]}
    save_model(voice.model, VoiceModel(config, state["best"]["weights"], database, target_range, about))
    return dict(training, finished=True, resumed_at=resumed_at, seconds=time.monotonic() - began)


def _other_voices(manifest):
    """The demo voices that are not the one being cloned."""
    cloned = {f["sha256"] for f in manifest["files"]}
    return [name for name in DEMO_VOICES if cloned.isdisjoint(sha256(p) for p in demo_voice(name).glob("*.flac"))]


def _finished(voice, identity, consent):
    """What is known of a training that has been finished already; the consent of today is noted in its file."""
    try:
        model = load_model(voice.model)
    except InputError:  # none, or not one that can be used: it is trained anew
        return None
    if model.about["identity"] != identity:
        return None
    if model.about["consent"] != consent:
        save_model(voice.model, dataclasses.replace(model, about=dict(model.about, consent=consent)))
    return model.about["training"]


def _hold_out(utterances, config):
    """The last slices, for scoring, at most a quarter of all; and the others, for training."""
    rate = config.sr / config.hop_length
    if len(utterances) < 6:  # too few to leave some out, and to find neighbours in others: seconds instead
        second = round(rate)
        utterances = [u.cut(a, a + second, hop_length=config.hop_length) for u in utterances for a in range(0, len(u.f0) - second // 2, second)]
    total = sum(len(u.f0) for u in utterances) / rate
    wanted = min(20.0, max(4.0, HELD_OUT_SHARE * total))
    kept, held_out, held = [], [], 0.0
    for u in reversed(utterances):
        seconds = len(u.f0) / rate
        if held < wanted and held + seconds <= total / 4:
            held_out.append(u)
            held += seconds
        else:
            kept.insert(0, u)
    return kept, held_out


def _database(utterances, config):
    """The target's content frames that are not silence, the slice each is from, and the target's mean envelope."""
    mel = np.concatenate([u.mel for u in utterances])
    loudness = np.concatenate([u.loudness for u in utterances])
    index = np.concatenate([np.full(len(u.mel), i) for i, u in enumerate(utterances)])
    (said,) = content(mel, loudness, sr=config.sr, n_mfcc=config.n_mfcc)
    active = np.flatnonzero(loudness > loudness.max() - 50)  # pauses too, but for the deepest: they must be found as well
    mean_mel = mel[active].mean(axis=0)
    if len(active) > MAX_DATABASE:
        active = np.sort(np.random.default_rng(config.seed).choice(active, MAX_DATABASE, replace=False))
    return said[active], index[active], mean_mel


def _others(names, config):
    """Speech of the demo voices, for conversions that the adversary judges."""
    spoken = []
    for name in names:
        y = np.concatenate([load_audio(p, sr=config.sr)[0] for p in sorted(demo_voice(name).glob("*.flac"))])
        features = analyse(y[: OTHER_SECONDS * config.sr], **config.analysis)
        spoken.append([features.cut(0, len(features.y) // config.hop_length, hop_length=config.hop_length)])
    return spoken


def _restore(path, trainer, identity):
    """Put the trainer back where the checkpoint left it, if there is one of this very training."""
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            meta = json.loads(str(stored["meta"]))
            if meta.pop("identity") != identity:
                return None
            arrays = {k: stored[k] for k in stored.files if k != "meta"}
        trainer.restore([arrays[k] for k in sorted(arrays) if k.startswith("state_")])
    except DAMAGED as error:
        raise InputError(f"The checkpoint {path} is damaged; delete it to train from the start.") from error
    if meta["best"]:
        meta["best"]["weights"] = [arrays[k] for k in sorted(arrays) if k.startswith("best_")]
    return meta


def _save(path, trainer, state, identity):
    best = state["best"]
    arrays = {f"state_{i:03d}": a for i, a in enumerate(trainer.state())}
    arrays.update({f"best_{i:03d}": a for i, a in enumerate(best["weights"] if best else [])})
    meta = dict(state, identity=identity, best=best and {k: v for k, v in best.items() if k != "weights"})
    with atomic_path(path) as tmp:
        np.savez(tmp, meta=json.dumps(meta), **arrays)


def _evaluate(trainer, state, check, losses):
    """Score the averaged weights on the held-out recordings; keep them unless they are worse than before.

    The adversary makes speech more lifelike than the STFT loss can tell, and that costs a little of the score: so the
    latest weights are kept, as long as their score is near the best.
    """
    score = trainer.evaluate(check)
    if not np.isfinite(score):
        raise InputError(f"The training has diverged at step {state['step']}: its score is not a number; use a lower learning_rate.")
    state["history"].append(dict(step=state["step"], held_out=score, **losses))
    if state["best"] is None or score <= TOLERANCE * min(h["held_out"] for h in state["history"]):
        state["best"] = dict(step=state["step"], held_out=score, weights=trainer.generator.get_weights())


def _plateau(history, patience):
    """Whether the held-out loss has not fallen by half a percent in the last `patience` evaluations."""
    scores = [h["held_out"] for h in history]
    return len(scores) > patience and min(scores[-patience:]) > 0.995 * min(scores[:-patience])


def _reason(state, config):
    first = f"The first phase ran its {config.steps} steps"
    if state["gan_start"] < config.steps:
        first = f"The first phase ended after {state['gan_start']} steps, as the held-out loss had stopped falling"
    best = state["best"]
    kept = f"the weights of step {best['step']} of {state['step']} were kept, the last ones whose held-out loss ({best['held_out']:.3f}) is near the best"
    return f"{first}; {kept}."


def _preview(trainer, voice, held_out, state, config, target_range):
    """The first held-out slice, disguised as a longer vocal tract and given back the voice, as far as it has been learned."""
    mel, loudness = (np.concatenate([getattr(u, k) for u in held_out]) for k in ("mel", "loudness"))
    (said,) = content(mel, loudness, factors=[0.85], sr=config.sr, n_mfcc=config.n_mfcc)
    utterance = held_out[0]
    told = conditions(utterance.f0, utterance.loudness, target_range=target_range)
    inputs = np.concatenate([said[: len(told)], told], axis=1)
    y = render(trainer.synthesizer, predict_filters(trainer.generator, inputs, config=config), utterance.f0, config=config)
    path = voice.training / f"preview_{state['step']:06d}.wav"
    return save_audio(path, 0.9 * y / max(0.9, np.abs(y).max()), config.sr, comment=SYNTHETIC)
