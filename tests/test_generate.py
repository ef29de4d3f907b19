"""Step 4: length, alignment, key, knobs and refusals, with a voice trained for seconds."""
import librosa
import numpy as np
import pytest
import soundfile as sf

from vcutils.config import preset
from vcutils.dsp.audio import load_audio
from vcutils.dsp.f0 import estimate_f0
from vcutils.dsp.features import warp_matrix
from vcutils.errors import InputError
from vcutils.generate import THROATS, adopt, choose_key, convert, likest_throat, read_song, total_envelope
from vcutils.model import VoiceModel, load_model, save_model
from vcutils.workspace import open_voice


@pytest.fixture(scope="module")
def song(sing):
    return sing(6.0, f0=150.0), 16000


def test_as_long_as_the_source_to_the_sample(trained, sing, tmp_path):
    for sr, n in ((16000, 50_001), (44_100, 100_003)):
        y = sing(4.0, sr=sr)[:n]
        path = tmp_path / f"{sr}.wav"
        sf.write(path, y, sr)
        assert abs(len(convert(trained, path)["y"]) - n * 16000 / sr) <= 1


def test_pitch_is_followed_and_moved_by_the_key(trained, song):
    y, sr = song
    source = estimate_f0(y, sr=sr, hop_length=160)
    for key in (0, 5, -3.5):
        result = convert(trained, song, key=key)
        f0 = estimate_f0(result["y"], sr=sr, hop_length=160)
        both = (source > 0) & (f0 > 0)
        assert both.sum() > 0.7 * (source > 0).sum()
        cents = 1200 * np.log2(f0[both] / source[both]) - 100 * key
        assert np.median(np.abs(cents)) < 20  # no octave jumps, no drift


def test_aligned_with_the_source(trained, song):
    """Level rises and falls at the same time: the best lag of the two loudness curves is within a frame."""
    result = convert(trained, song, key=0)
    curves = [np.sqrt(np.convolve(x**2, np.ones(160) / 160, "same"))[::16] for x in (song[0], result["y"])]
    a, b = (c - c.mean() for c in curves)
    lag = np.correlate(b, a, "full").argmax() - (len(a) - 1)
    assert abs(lag) <= 10  # of 1 ms


def test_silence_stays_silent(trained, sing):
    y = np.concatenate([sing(2.0), np.zeros(16000, np.float32), sing(2.0)])
    out = convert(trained, (y, 16000))["y"]
    level = lambda x: 20 * np.log10(np.sqrt(np.mean(x**2)) + 1e-9)  # noqa: E731
    assert level(out[36_000:44_000]) < level(out[:32_000]) - 20


def test_even_a_voice_that_only_hisses_is_silent_where_the_song_is(trained, sing):
    """Frames may not come out louder than asked for: the output of an untrained generator follows the song's pauses."""
    model = load_model(trained.model)
    hissing = VoiceModel(model.config, [0 * w for w in model.weights], model.database, model.f0_range, model.about)
    y = np.concatenate([sing(2.0), np.zeros(16000, np.float32), sing(2.0)])
    out = convert(hissing, (y, 16000))["y"]
    assert np.abs(out[:32_000]).max() > 0.01 and np.abs(out[36_000:44_000]).max() < 1e-4


def test_auto_key_brings_the_song_to_the_voice_and_says_so(trained):
    target = load_model(trained.model).f0_range
    for factor in (0.45, 0.8, 1.0, 1.9):
        f0 = np.full(100, target[1] * factor)
        semitones, message = choose_key(f0, target)
        assert abs(semitones + 12 * np.log2(factor)) <= 0.5
        assert str(abs(semitones)) in message or semitones == 0
        octave, _ = choose_key(f0, target, key="octave")
        assert octave % 12 == 0 and abs(octave + 12 * np.log2(factor)) <= 6
    assert "octave" in choose_key(np.full(10, target[1] / 2), target)[1]


@pytest.fixture
def told(monkeypatch):
    """What the generator is told, each time it is asked."""
    import vcutils.generate as generate

    inputs_of_calls, real = [], generate.predict_filters
    monkeypatch.setattr(generate, "predict_filters", lambda g, inputs, **k: (inputs_of_calls.append(inputs), real(g, inputs, **k))[1])
    return inputs_of_calls


def test_retrieval_moves_content_towards_the_target(trained, song, told):
    """At strength 1 the generator is told only frames that the target has said; at 0 none of them."""
    outputs = [convert(trained, song, retrieval=r)["y"] for r in (0.0, 0.5, 1.0)]
    model = load_model(trained.model)
    content = [t[:, : model.config.n_mfcc] for t in told[:: len(THROATS)]]
    np.testing.assert_allclose(content[1], (content[0] + content[2]) / 2, atol=1e-4)
    means_of_k = model.database.min(0) - 1e-3 <= content[2]
    assert means_of_k.all() and (content[2] <= model.database.max(0) + 1e-3).all()
    nearest = [min(np.linalg.norm(model.database - frame, axis=1)) for frame in content[0][::50]]
    retrieved = [min(np.linalg.norm(model.database - frame, axis=1)) for frame in content[2][::50]]
    assert np.mean(retrieved) < np.mean(nearest)
    assert np.abs(outputs[0] - outputs[2]).max() > 1e-3


def test_clarity_follows_the_singers_envelope(trained, voices):
    """Band by band, what is sung moves with the recording, if the singer had another throat: the more, the higher the knob. Loudness alone is not enough."""
    path = voices / "sources/singing/vocadito_10/vocadito_10.wav"
    config = load_model(trained.model).config
    song = read_song(path, config=config)
    movement = lambda mel: (mel - mel.mean(axis=1, keepdims=True)) - mel.mean(axis=0)  # noqa: E731
    on = song.features.loudness > song.features.loudness.max() - 20

    def likeness(clarity):
        mel = read_song((convert(trained, song, key=0, clarity=clarity)["y"], config.sr), config=config).features.mel[: len(on)]
        throats = (song.features.mel[on] @ warp_matrix(factor, sr=config.sr, n_mels=config.n_mels) for factor in np.geomspace(0.8, 1.25, 15))
        return max(np.corrcoef(movement(mel[on]).ravel(), movement(moved).ravel())[0, 1] for moved in throats)

    none, half, whole = (likeness(c) for c in (0.0, 0.5, 1.0))
    assert none + 0.05 < half < whole and whole > 0.8


def test_adopted_envelope_has_the_other_voices_colour_and_the_singers_movement():
    rng = np.random.default_rng(0)
    mel, target = rng.standard_normal((400, 80)), -4 + 0.5 * rng.standard_normal((400, 80))
    on = np.arange(400) < 300  # what is silent must not count
    mel[~on] -= 20
    own = adopt(mel, target, on)
    np.testing.assert_allclose(own[on].mean(axis=0), target[on].mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(own[on].std(axis=0), target[on].std(axis=0), rtol=0.01)
    assert min(np.corrcoef(own[:, b], mel[:, b])[0, 1] for b in range(80)) > 0.999


def test_a_held_note_does_not_begin_to_flutter():
    """A vowel that hardly moves: whatever spread the generator's filters have, it is not blown up to it."""
    mel = np.full((300, 80), -3.0) + 0.01 * np.random.default_rng(0).standard_normal((300, 80))
    own = adopt(mel, np.random.default_rng(1).standard_normal((300, 80)), np.full(300, True))
    assert own.std(axis=0).max() < 0.03  # 0.3 dB


def test_total_envelope_leaves_pulses_out_where_nothing_is_voiced():
    filters = np.array([[2.0, 0.0], [2.0, 0.0]])
    np.testing.assert_allclose(total_envelope(filters, np.array([200.0, 0.0]))[:, 0], [np.log(np.exp(4) + 1) / 2, 0], atol=1e-5)


def test_a_throat_is_found_and_the_same_throat_left_alone(voices):
    """Somebody's formants moved by a known factor, and with another average colour: the factor is found."""
    mel = read_song(voices / "sources/singing/vocadito_14/vocadito_14.wav", config=preset("quick")).features.mel
    on = np.full(len(mel), True)
    colour = np.linspace(-1, 1, 80)
    for factor in (0.85, 1.0, 1.2):
        target = 0.8 * (mel @ warp_matrix(factor, sr=16000, n_mels=80)) + colour
        assert abs(likest_throat(mel, target, on, sr=16000) / factor - 1) < 0.02  # the factors tried lie 3 % apart


def test_formant_moves_the_spectrum_the_way_it_says(trained, song):
    def centroid(y):
        return librosa.feature.spectral_centroid(y=y, sr=16000).mean()

    low, plain, high = (centroid(convert(trained, song, formant=f)["y"]) for f in (-5, 0, 5))
    assert low < 0.97 * plain and high > 1.03 * plain


def test_loudness_evens_out_what_the_generator_is_told(trained, sing, told):
    """A song whose second half is 20 dB softer: told so at 1, told the same level throughout at 0, half of it at 0.5."""
    y = sing(6.0) * np.where(np.arange(96_000) < 48_000, 1.0, 0.1).astype(np.float32)
    steps = []
    for loudness in (1.0, 0.5, 0.0):
        convert(trained, (y, 16000), loudness=loudness)
        level = 20 * told[-1][:, preset("smoke").n_mfcc + 2]  # conditions hold loudness in units of 20 dB
        steps.append(np.median(level[10:70]) - np.median(level[410:470]))
    np.testing.assert_allclose(steps, [20, 10, 0], atol=1.5)


def test_length_of_pieces_changes_nothing(trained, song):
    whole, pieces = (convert(trained, song, chunk_frames=n)["y"] for n in (10_000, 77))
    assert np.abs(whole - pieces).max() < 1e-4 * np.abs(whole).max()


def test_a_song_taken_apart_once_sings_the_same(trained, song):
    prepared_song = read_song(song, config=preset("smoke"))
    np.testing.assert_array_equal(convert(trained, prepared_song)["y"], convert(trained, song)["y"])


def test_a_real_song(trained, voices):
    path = voices / "sources/singing/openair_operatic/singing.wav"
    result = convert(trained, path)
    source = estimate_f0(load_audio(path, sr=16000)[0], sr=16000, hop_length=160)
    f0 = estimate_f0(result["y"], sr=16000, hop_length=160)
    both = (source > 0) & (f0 > 0)
    cents = 1200 * np.log2(f0[both] / source[both]) - 100 * result["key"]
    assert np.mean(np.abs(cents) < 50) > 0.9


# ---- bad input

def test_songs_without_a_voice_are_refused(trained, tmp_path):
    noise = (0.1 * np.random.default_rng(0).standard_normal(32_000)).astype(np.float32)
    sf.write(tmp_path / "noise.wav", noise, 16000)
    sf.write(tmp_path / "silence.wav", np.zeros(32_000), 16000)
    sf.write(tmp_path / "short.wav", noise[:100], 16000)
    (tmp_path / "text.wav").write_text("la la la")
    for wrong in (np.zeros((2, 32_000), np.float32), np.full(32_000, np.nan)):
        with pytest.raises(InputError, match="one channel of finite samples"):
            convert(trained, (wrong, 16000))
    for name, why in (("noise", "has no voice in it"), ("silence", "is silent"), ("short", "too short"), ("text", "text.wav")):
        with pytest.raises(InputError, match=why) as error:
            convert(trained, tmp_path / f"{name}.wav")
        assert f"{name}.wav" in str(error.value)


@pytest.mark.parametrize("option", [dict(clarity=2), dict(retrieval=1.5), dict(formant=30), dict(loudness=-1), dict(key="high"), dict(key=99), dict(retrieval=float("nan"))])
def test_options_out_of_range_are_named(trained, song, option):
    with pytest.raises(InputError, match=next(iter(option))):
        convert(trained, song, **option)


def test_unknown_voice_is_named(tmp_path, song):
    with pytest.raises(InputError, match="nobody"):
        convert(open_voice("nobody", workspace=tmp_path), song)


def test_weights_that_do_not_fit_are_refused(trained, tmp_path, song):
    model = load_model(trained.model)
    voice = open_voice("bad", workspace=tmp_path)
    save_model(voice.model, VoiceModel(model.config, model.weights[:-1], model.database, model.f0_range, model.about))
    with pytest.raises(InputError, match="damaged"):
        convert(voice, song)
