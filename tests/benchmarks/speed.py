"""How long things take here: ratios to the length of the audio, medians of several runs. Not a test; run it by hand.

    python tests/benchmarks/speed.py [--workspace DIR] [--voice NAME] [SONG]

Clones the demo voice first if the voice is not there (minutes).
"""
import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vcutils.config import preset
from vcutils.demo import demo_song, demo_voice
from vcutils.dsp.audio import load_audio
from vcutils.dsp.f0 import estimate_f0
from vcutils.dsp.features import spectral_envelope
from vcutils.workspace import open_voice

RUNS = 5


def seconds(function, runs=RUNS):
    """Median duration; the first run, which loads things, does not count."""
    function()
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        function()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("song", nargs="?", type=Path, default=demo_song()[0])
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--voice", default="slt")
    args = parser.parse_args()
    config = preset("quick")
    y, sr = load_audio(args.song, sr=config.sr)
    length = len(y) / sr
    print(f"{args.song.name}: {length:.1f} s; each figure is time taken / length of audio, median of {RUNS} runs")

    f0 = estimate_f0(y, sr=sr, hop_length=config.hop_length)
    print(f"F0, SwiftF0:        {seconds(lambda: estimate_f0(y, sr=sr, hop_length=config.hop_length)) / length:.4f}")
    short = y[: 5 * sr]
    print(f"F0, pYIN (5 s):     {seconds(lambda: estimate_f0(short, sr=sr, hop_length=config.hop_length, method='pyin'), 3) / 5:.4f}")
    envelope = dict(sr=sr, hop_length=config.hop_length, n_fft=config.n_fft)
    print(f"spectral envelope:  {seconds(lambda: spectral_envelope(y, f0, **envelope)) / length:.4f}")

    vcutils = [sys.executable, "-m", "vcutils"]
    where = ["--workspace", str(args.workspace)]
    if not open_voice(args.voice, workspace=args.workspace).done("train"):
        began = time.perf_counter()
        subprocess.run([*vcutils, "clone", str(demo_voice("slt")), "--voice", args.voice, "--consent", "licence", *where], check=True)
        print(f"clone, preset quick: {(time.perf_counter() - began) / 60:.1f} minutes, one run")
    with tempfile.TemporaryDirectory() as folder:
        command = [*vcutils, "sing", args.voice, str(args.song), "-o", f"{folder}/out.wav", *where]
        print(f"vcutils sing, start-up included: {seconds(lambda: subprocess.run(command, check=True, capture_output=True)) / length:.3f}")


if __name__ == "__main__":
    main()
