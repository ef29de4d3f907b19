"""Reading and writing sound: every format people have, every way a file can be broken."""
import os
import struct
import threading

import numpy as np
import pytest
import soundfile as sf

from vcutils.dsp.audio import load_audio, save_audio
from vcutils.errors import InputError


def noise(seconds=1.0, sr=16000, channels=None):
    shape = (round(seconds * sr),) if channels is None else (channels, round(seconds * sr))
    return np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype(np.float32)


def one_sentence(error):
    text = str(error.value)
    assert "\n" not in text and ". " not in text and text.endswith("."), text
    return text


# One step of the sample format; u-law's steps grow with the level, to 1/32 of it.
@pytest.mark.parametrize(
    "suffix, subtype, step",
    [
        ("wav", "PCM_U8", 1 / 128),
        ("wav", "PCM_16", 1 / 32768),
        ("wav", "PCM_24", 1e-6),
        ("wav", "PCM_32", 1e-6),
        ("wav", "FLOAT", 1e-7),
        ("wav", "DOUBLE", 1e-7),
        ("wav", "ULAW", 0.5 / 16),
        ("flac", "PCM_16", 1 / 32768),
        ("flac", "PCM_24", 1e-6),
    ],
)
def test_every_sample_format_gives_the_same_sound(tmp_path, suffix, subtype, step):
    y = noise()
    path = tmp_path / f"a.{suffix}"
    sf.write(path, y, 16000, subtype=subtype)
    got, sr = load_audio(path)
    assert sr == 16000 and got.dtype == np.float32
    np.testing.assert_allclose(got, y, atol=step)


@pytest.mark.parametrize("suffix", ["ogg", "mp3"])
def test_lossy_formats_keep_length_and_timing(tmp_path, suffix):
    sr = 44100
    y = np.sin(2 * np.pi * 440 * np.arange(sr) / sr) * np.hanning(sr) * 0.5
    sf.write(tmp_path / f"a.{suffix}", y, sr)
    got, _ = load_audio(tmp_path / f"a.{suffix}")
    assert len(got) == sr
    np.testing.assert_allclose(got, y, atol=0.02)  # a shift by two samples would differ by more


@pytest.mark.parametrize("sr", [8000, 22050, 44100, 96000])
def test_any_rate_becomes_the_one_asked_for(tmp_path, sr):
    path = tmp_path / "a.wav"
    sf.write(path, 0.5 * np.sin(2 * np.pi * 440 * np.arange(sr) / sr), sr)
    y, got_sr = load_audio(path, sr=16000)
    assert (len(y), got_sr) == (16000, 16000)
    want = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    np.testing.assert_allclose(y[800:-800], want[800:-800], atol=2e-3)  # away from the edges, where the filter rings


def test_channels_are_averaged_or_kept(tmp_path):
    y = noise(channels=6)
    sf.write(tmp_path / "six.wav", y.T, 16000, subtype="FLOAT")
    np.testing.assert_allclose(load_audio(tmp_path / "six.wav")[0], y.mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(load_audio(tmp_path / "six.wav", mono=False)[0], y)


def test_file_longer_than_a_block_is_whole(tmp_path):
    y = noise(20)  # 320 000 frames
    sf.write(tmp_path / "long.wav", y, 16000, subtype="FLOAT")
    np.testing.assert_array_equal(load_audio(tmp_path / "long.wav")[0], y)


def test_offset_and_overload_are_left_as_they_are(tmp_path):
    y = noise() * 3 + 0.25
    sf.write(tmp_path / "a.wav", y, 16000, subtype="FLOAT")
    np.testing.assert_array_equal(load_audio(tmp_path / "a.wav")[0], y)


def test_names_of_any_script_and_misleading_suffixes(tmp_path):
    path = tmp_path / "Größe 声 🎤.wav"
    sf.write(path, noise(), 16000)
    assert len(load_audio(path)[0]) == 16000
    path = path.rename(tmp_path / "really a wav.mp3")
    assert len(load_audio(str(path))[0]) == 16000


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
@pytest.mark.parametrize("kept", [0.99, 0.5, 0.1])
def test_cut_file_is_refused(tmp_path, capfd, suffix, kept):
    path = tmp_path / f"cut.{suffix}"
    sf.write(path, noise(3), 16000)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(InputError, match="cut short|damaged") as error:
        load_audio(path)
    assert str(path) in one_sentence(error)
    assert capfd.readouterr().err == ""  # the decoder would add lines of its own


def test_file_overwritten_in_the_middle_is_refused(tmp_path):
    for suffix in ("flac", "mp3"):
        path = tmp_path / f"a.{suffix}"
        sf.write(path, noise(20), 16000)
        data = bytearray(path.read_bytes())
        middle = len(data) // 2
        data[middle : middle + 2000] = bytes(2000)
        path.write_bytes(data)
        with pytest.raises(InputError, match="damaged|cut short"):
            load_audio(path)


def test_wav_that_states_no_true_length_is_read_to_its_end(tmp_path):
    path = tmp_path / "a.wav"
    y = noise()
    sf.write(path, y, 16000)
    data = bytearray(path.read_bytes())
    for size in (0xFFFFFFFF, 0x7FFFF000, 2 * len(y) + 8):  # two ways to say "streamed", and one to count the header
        data[40:44] = struct.pack("<I", size)
        path.write_bytes(data)
        np.testing.assert_allclose(load_audio(path)[0], y, atol=1e-4)


def test_mp3_without_a_length_is_no_damage(tmp_path):
    path = tmp_path / "a.mp3"
    # loud after silence: libsndfile guesses a length from the first frames, and guesses too long
    sf.write(path, np.concatenate([np.zeros(80000), noise(5)]), 16000)
    data = path.read_bytes()
    assert data.find(b"Xing") > 0
    path.write_bytes(data[data.index(data[:2], 4) :])  # from the second frame on
    assert abs(len(load_audio(path)[0]) - 160000) < 3000  # without the header, the encoder's padding is heard as well


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.raw", "a"])
def test_text_is_not_sound(tmp_path, name):
    (tmp_path / name).write_text("This is a shopping list, not a song.\n" * 100)
    with pytest.raises(InputError, match="not a WAV, FLAC, OGG or MP3") as error:
        load_audio(tmp_path / name)
    assert str(tmp_path / name) in one_sentence(error)


@pytest.mark.parametrize("content, why", [(b"", "empty"), (None, "does not exist")])
def test_nothing_there(tmp_path, content, why):
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=why) as error:
        load_audio(path)
    assert str(path) in one_sentence(error)


def test_folder_is_not_sound(tmp_path):
    with pytest.raises(InputError, match="not a file"):
        load_audio(tmp_path)


def test_header_without_samples(tmp_path):
    sf.write(tmp_path / "a.wav", np.zeros(0), 16000)
    with pytest.raises(InputError, match="no sound") as error:
        load_audio(tmp_path / "a.wav")
    assert "a.wav" in one_sentence(error)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(tmp_path, bad):
    y = noise()
    y[5000] = bad
    sf.write(tmp_path / "a.wav", y, 16000, subtype="FLOAT")
    with pytest.raises(InputError, match="NaN or infinity") as error:
        load_audio(tmp_path / "a.wav")
    assert "a.wav" in one_sentence(error)


def test_file_that_may_not_be_read(unprivileged):
    folder, drop = unprivileged
    path = folder / "secret.wav"
    sf.write(path, noise(), 16000)
    path.chmod(0)
    with drop(), pytest.raises(InputError, match="cannot be opened") as error:
        load_audio(path)
    assert str(path) in one_sentence(error)


def test_real_recordings_load(voices):
    for path in [next(voices.glob("targets/kerstin*/train/*")), *voices.glob("sources/singing/*/*.wav")]:
        y, sr = load_audio(path)
        assert len(y) == sf.info(path).frames and sr == sf.info(path).samplerate


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".WAV"])
@pytest.mark.parametrize("channels", [None, 2])
def test_saved_sound_comes_back(tmp_path, suffix, channels):
    y = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000) * np.hanning(16000) * (0.5 if channels is None else np.array([[0.5], [0.2]]))
    path = save_audio(tmp_path / "new folder" / f"Lied 歌{suffix}", y, 16000, comment="künstliche Stimme")
    got, sr = load_audio(path, mono=channels is None)
    assert sr == 16000 and got.shape == y.shape
    np.testing.assert_allclose(got, y, atol=0.02 if suffix == ".ogg" else 1 / 32768)  # OGG is lossy
    assert sf.SoundFile(path).comment == "künstliche Stimme"
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_full_scale_is_not_clipped_and_more_is_refused(tmp_path):
    y = np.array([1.0, -1.0, 0.0], dtype=np.float32)
    np.testing.assert_allclose(load_audio(save_audio(tmp_path / "a.wav", y, 16000))[0], y, atol=1 / 32768)
    with pytest.raises(InputError, match="peak 1.500"):
        save_audio(tmp_path / "b.wav", 1.5 * y, 16000)
    assert not (tmp_path / "b.wav").exists()


@pytest.mark.parametrize(
    "name, y, why",
    [
        ("a.mp4", np.zeros(9), "must end in .wav, .flac, .ogg"),
        ("a", np.zeros(9), "must end in"),
        ("a.wav", np.array([0, np.nan]), "NaN"),
        ("a.wav", np.array([np.inf]), "infinity"),
        ("a.wav", np.zeros(0), "no samples"),
    ],
)
def test_what_cannot_be_saved(tmp_path, name, y, why):
    with pytest.raises(InputError, match=why) as error:
        save_audio(tmp_path / name, y, 16000)
    assert name in one_sentence(error)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_full_disk_keeps_the_old_file(small_disk, suffix):
    path = save_audio(small_disk / f"a{suffix}", noise(), 16000)
    before = path.read_bytes()
    (small_disk / "filler").write_bytes(bytes(900_000))  # of the 1 MB
    with pytest.raises(InputError, match="disk is full") as error:
        save_audio(path, noise(20, sr=44100), 44100)  # 200 kB even as OGG
    assert str(path) in one_sentence(error)
    assert path.read_bytes() == before and len(list(small_disk.iterdir())) == 2


def test_folder_that_may_not_be_written(unprivileged):
    folder, drop = unprivileged
    closed = folder / "closed"
    closed.mkdir(mode=0o555)
    with drop(), pytest.raises(InputError, match="cannot be written") as error:
        save_audio(closed / "a.wav", noise(), 16000)
    assert "a.wav" in one_sentence(error)
    assert not list(closed.iterdir())


def test_rates_that_no_voice_has(tmp_path):
    with pytest.raises(InputError, match="OGG holds at most 192000"):
        save_audio(tmp_path / "a.ogg", np.zeros(4000), 352800)
    path = save_audio(tmp_path / "a.wav", np.zeros(4000), 100)
    with pytest.raises(InputError, match="a.wav says that it has 100 samples a second"):
        load_audio(path)


def test_two_threads_that_read_leave_the_terminal_as_it_was(tmp_path):
    path = save_audio(tmp_path / "a.wav", np.zeros(16000), 16000)
    before = os.fstat(2)
    threads = [threading.Thread(target=lambda: [load_audio(path) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (os.fstat(2).st_dev, os.fstat(2).st_ino) == (before.st_dev, before.st_ino)
