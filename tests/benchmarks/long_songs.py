"""How long a song takes and how much memory, from half a minute to ten minutes. Not a test; run it by hand.

    python tests/benchmarks/long_songs.py WORK [--seconds 30 600] [--only PATH ...]

WORK keeps the voice, the songs and what is made of them. Songs and backings are the demo's, tiled: stereo at 48 kHz. Each
path is one process of its own, started anew; its peak is what the system calls the maximum resident set. (Not on Windows.)
"""
import argparse
import os
import shutil
import sys
import time
from pathlib import Path

import librosa
import numpy as np
import soundfile as sf

from vcutils.collect import collect
from vcutils.demo import demo_model, demo_score, demo_song, demo_voice
from vcutils.dsp.audio import load_audio
from vcutils.workspace import open_voice

SR = 48000


def tiled(path, source, seconds):
    """`source` over and over, written a tile at a time: what this process takes would count as the least of the next."""
    y, sr = load_audio(source, mono=False)
    y = librosa.resample(np.broadcast_to(y, (2, y.shape[-1])), orig_sr=sr, target_sr=SR).T
    with sf.SoundFile(path, "w", SR, 2) as f:
        while (left := seconds * SR - f.frames) > 0:
            f.write(y[:left])
    return path


def make(work, seconds):
    """Files of so many seconds: a song, its backing, and verses for the score."""
    song, backing, verses = (work / f"{what}_{seconds}.{kind}" for what, kind in (("song", "wav"), ("backing", "wav"), ("verses", "txt")))
    if not verses.exists():
        for path, source in zip((song, backing), demo_song()):
            tiled(path, source, seconds)
        _, words, _ = demo_score()
        verses.write_text("\n\n".join([words.read_text()] * max(1, round(seconds / 30))))
    return song, backing, verses


def measure(argv):
    """Seconds by the clock, seconds of processors (which say more on a busy computer) and peak memory in GB of one process."""
    began = time.perf_counter()
    process = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-m", "vcutils", *map(str, argv)])
    _, status, usage = os.wait4(process, 0)
    if status:
        sys.exit(f"vcutils {' '.join(map(str, argv))} failed")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--seconds", type=int, nargs="*", default=[30, 600])
    parser.add_argument("--only", nargs="*", default=["sing", "backing", "ballad", "score", "report"])
    args = parser.parse_args()
    voice = open_voice("slt", workspace=args.work)
    collect(demo_voice("slt"), voice, consent="licence", note="demo voice", progress=False)
    shutil.copyfile(demo_model(), voice.model)

    rows = []
    for seconds in args.seconds:
        song, backing, verses = make(args.work, seconds)
        out, mixed, ballad, sung = (args.work / f"{name}_{seconds}.wav" for name in ("out", "mixed", "ballad", "score"))
        paths = {
            "sing": (out, ["sing", "slt", song, "-o", out]),
            "backing": (mixed, ["sing", "slt", song, "--backing", backing, "-o", mixed]),
            "ballad": (ballad, ["sing", "slt", song, "--backing", backing, "--style", "ballad", "-o", ballad]),
            "score": (sung, ["sing", "slt", "--score", demo_score()[0], "--lyrics", verses, "-o", sung]),
            "report": (out, ["report", "slt", out, "--source", song]),
        }
        for path in args.only:
            made, command = paths[path]
            rows.append((path, *measure([*command, "--workspace", args.work]), sf.info(made).duration))

    print("\n| path | length | time | of all processors | time / length | peak memory | more for each minute |\n|---|---|---|---|---|---|---|")
    for path, taken, busy, peak, length in rows:
        *_, least, shortest = next(row for row in rows if row[0] == path)
        more = f"{60000 * (peak - least) / (length - shortest):.0f} MB" if length > shortest else ""
        print(f"| {path} | {length:.0f} s | {taken:.0f} s | {busy:.0f} s | {taken / length:.2f} | {peak:.2f} GB | {more} |")


if __name__ == "__main__":
    main()
