"""Measure how well `vcutils.separate` parts a mix. Not a test; run it by hand, some minutes on two cores.

    python tests/benchmarks/separation.py [--voices DIR] [--method repet|demucs]
    python tests/benchmarks/separation.py --long

Each voice of DIR (sources/singing/) and the demo song's own are laid over the demo's backing, looped, at equal loudness,
in the middle of the stereo image; once more with some reverberation in stereo, and once in mono. The table is Markdown:
SDR in dB (10 log10 of the voice's energy over that of the error, so a wrong level counts), of the voice as estimated by

- the mix itself, as it is,
- the mix without what lies below 100 Hz, which is no separation at all,
- the harmonic part of `librosa.effects.hpss`, high-passed likewise,
- the method.

Then the F0 tracked on the mix and on the estimate, against that of the clean voice: `vcutils.results.compare_f0`, and the
share of all voiced frames that are voiced and within 50 cents. ``--long`` measures memory and time on ten minutes of
stereo at 48 kHz instead.
"""
import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import librosa
import numpy as np
import scipy.signal
import soundfile as sf

from vcutils.demo import demo_song
from vcutils.dsp.audio import load_audio
from vcutils.dsp.effects import measure_loudness
from vcutils.dsp.f0 import estimate_f0
from vcutils.dsp.features import highpass
from vcutils.results import compare_f0
from vcutils.separate import METHODS, separate

SR = 44100


def mixes(voices):
    """Name to (voice, backing), both [shape=(2, n)], of equal loudness."""
    backing, _ = load_audio(demo_song()[1], sr=SR, mono=False)
    for path in [demo_song()[0], *sorted(p for p in (voices / "sources/singing").rglob("*") if p.suffix == ".wav")]:
        y, _ = load_audio(path, sr=SR)
        under = np.stack([np.resize(channel, len(y)) for channel in backing])
        voice = np.stack([y, y])
        voice *= 10 ** ((measure_loudness(under, sr=SR) - measure_loudness(voice, sr=SR)) / 20)
        yield "demo song" if path == demo_song()[0] else path.parent.name, voice, under


def reverberant(voice):
    """The same voice with reverberation that differs between the channels, 12 dB below it."""
    seconds = np.arange(SR // 2) / SR
    response = np.random.default_rng(0).standard_normal((2, len(seconds))) * np.exp(-seconds / 0.08)
    response *= 10 ** (-12 / 20) / np.linalg.norm(response, axis=1, keepdims=True)
    return voice + scipy.signal.fftconvolve(voice, response, axes=1)[:, : voice.shape[1]].astype(np.float32)


def sdr(reference, estimate):
    return 10 * np.log10(np.sum(reference**2) / np.sum((reference - estimate) ** 2))


def pitch(estimate, voice):
    """Figures of the F0 tracked on an estimate."""
    f0, f0_voice = (estimate_f0(y.mean(axis=0), sr=SR, hop_length=SR // 100) for y in (estimate, voice))
    voiced = f0_voice > 0
    right = voiced & (f0 > 0) & (np.abs(np.log2(np.maximum(f0, 1) / np.maximum(f0_voice, 1))) < 50 / 1200)
    return compare_f0(f0, f0_voice) | {"found": right.sum() / voiced.sum()}


def table(voices, method):
    print("| mix | s | mix as it is | high-pass | hpss | " + f"{method} | improvement |" + "\n" + "|---" * 7 + "|")
    improvements, found = {}, []
    for name, voice, backing in mixes(voices):
        for kind, voice, backing in (("", voice, backing), (", reverberant", reverberant(voice), backing), (", mono", voice[:1], backing.mean(axis=0, keepdims=True))):
            mix = voice + backing
            parts = separate((mix, SR), method=method)
            estimates = mix, highpass(mix, sr=SR, cutoff=100), highpass(librosa.effects.harmonic(mix), sr=SR, cutoff=100), parts["voice"]
            figures = [sdr(voice, estimate) for estimate in estimates]
            improvements.setdefault(kind, []).append(figures[-1] - figures[0])
            print(f"| {name}{kind} | {mix.shape[1] / SR:.0f} | " + " | ".join(f"{x:.1f}" for x in figures) + f" | {improvements[kind][-1]:+.1f} |", flush=True)
            if not kind:
                found.append((name, pitch(mix, voice), pitch(parts["voice"], voice)))
    print("\nMean improvement: " + "; ".join(f"{kind.strip(', ') or 'stereo'} {np.mean(x):.1f} dB" for kind, x in improvements.items()))
    print("\n| F0 on | raw pitch accuracy: mix | voice | voicing error: mix | voice | of all voiced frames right: mix | voice |\n" + "|---" * 7 + "|")
    for name, mix, voice in found:
        cells = [f"{x[key]:.2f}" if key in x else "none" for key in ("raw_pitch_accuracy", "voicing_error", "found") for x in (mix, voice)]
        print(f"| {name} | " + " | ".join(cells) + " |")


def long(method):
    """Peak memory of ten minutes, less what the imports take, and time over length."""
    backing, _ = load_audio(demo_song()[1], sr=48000, mono=False)
    vocal, _ = load_audio(demo_song()[0], sr=48000)
    mix = 0.5 * (backing + vocal[: backing.shape[1]])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mix.wav"
        sf.write(path, np.tile(mix, 20)[:, : 600 * 48000].T, 48000)
        subprocess.run([sys.executable, __file__, "--measure", path, "--method", method], check=True)


def measure(path, method):
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # noqa: E731  (MB, on Linux)
    separate((0.1 * librosa.tone(220, sr=16000, length=64000), 16000), method=method)  # loads what is loaded late
    baseline, began = peak(), time.perf_counter()
    parts = separate(path, method=method)
    length, seconds = parts["voice"].shape[1] / parts["sr"], time.perf_counter() - began
    print(f"{length:.0f} s of {parts['voice'].shape[0]} channels at {parts['sr']} Hz: {peak() - baseline:.0f} MB above {baseline:.0f} MB, {seconds / length:.2f} of its length")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voices", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "voices")
    parser.add_argument("--method", choices=METHODS, default="repet")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.measure, args.method)
    elif args.long:
        long(args.method)
    else:
        table(args.voices, args.method)


if __name__ == "__main__":
    main()
