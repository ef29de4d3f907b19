"""Measure the method: every part left out, minutes of voice, minutes of training, the knobs, four targets.

    python tests/benchmarks/trade_off.py WORK --judge "PYTHON evaluate.py" [--voices DIR] [--seeds 0 1 2] [--only NAME ...]
    python tests/benchmarks/trade_off.py --table
    python tests/benchmarks/trade_off.py --plot

Not a test; run it by hand. A seed takes two hours on two cores, the longest training another half. Every figure goes to
`results.json` beside this file as soon as it is known, and what stands there is not measured again. DIR holds real recordings
(targets/, sources/). The judge is a program that scores folders with networks that vcutils does not use:
``--target REFS --source SRC --converted OUT --json FILE``. ``--table`` prints means and spreads, ``--plot`` draws
`data/trade_off.webp`.
"""
import argparse
import json
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np

from vcutils import course
from vcutils.collect import collect
from vcutils.config import preset
from vcutils.dsp.audio import load_audio, save_audio
from vcutils.files import atomic_path
from vcutils.generate import convert
from vcutils.preprocess import preprocess
from vcutils.train import train
from vcutils.workspace import open_voice

RESULTS = Path(__file__).with_name("results.json")
SR = 16000
QUICK = preset("quick")


def trained_for(share):
    """Settings that train for a share of quick's steps."""
    return dict(steps=round(QUICK.steps * share), gan_steps=round(QUICK.gan_steps * share))


# the trainings: target, minutes of its voice (None: all there is), settings that differ from quick's, ways to sing
DEFAULT = [{}]
KNOBS = [{}, *(dict(clarity=c) for c in (0.0, 0.2, 0.6, 1.0)), *(dict(retrieval=r) for r in (0.0, 1.0)), dict(clarity=0.0, retrieval=0.0), dict(key=0)]
TRAININGS = {
    "all parts": ("ljspeech_en_f", None, {}, KNOBS),
    "thorsten": ("thorsten_de_m", None, {}, DEFAULT + [dict(clarity=0.0)]),
    "kerstin": ("kerstin_de_f", None, {}, DEFAULT + [dict(clarity=0.0)]),
    "aishell": ("aishell_s0150_zh_f", None, {}, DEFAULT + [dict(clarity=0.0)]),
    "no disguise": ("ljspeech_en_f", None, course.NO_DISGUISE, DEFAULT),
    "no adversary": ("ljspeech_en_f", None, dict(steps=QUICK.steps + QUICK.gan_steps, gan_steps=0), DEFAULT),
    "0.5 minutes of voice": ("kerstin_de_f", 0.5, {}, DEFAULT),
    "1 minute of voice": ("kerstin_de_f", 1, {}, DEFAULT),
    "3 minutes of voice": ("kerstin_de_f", 3, {}, DEFAULT),
    "training x 0.2": ("ljspeech_en_f", None, trained_for(0.2), DEFAULT),
    "training x 0.6": ("ljspeech_en_f", None, trained_for(0.6), DEFAULT),
    "training x 2": ("ljspeech_en_f", None, trained_for(2), DEFAULT),
    "training x 6": ("ljspeech_en_f", None, trained_for(6), DEFAULT),
}


def known():
    return json.loads(RESULTS.read_text()) if RESULTS.is_file() else []


def learn(work, recordings, minutes, settings, seed, name):
    """A voice cloned from the first minutes of the recordings."""
    folder = work / "recordings" / name
    shutil.rmtree(folder, ignore_errors=True)
    left = 60 * (minutes or np.inf)
    for path in sorted(p for p in recordings.rglob("*") if p.is_file()):
        y, sr = load_audio(path, sr=None)
        if left > 1:
            save_audio(folder / f"{path.stem}.wav", y[: int(min(left, len(y) / sr) * sr)], sr)
        left -= len(y) / sr
    voice = open_voice(name, workspace=work / "voices")
    collect(folder, voice, consent="licence", note="for a measurement", progress=False)
    config = preset("quick", seed=seed, **settings)
    preprocess(voice, config=config, progress=False)
    train(voice, config=config, progress=False)
    return voice


def judged(judge, *, target, source, converted):
    """Means of the judge's figures: over all files, words and pitch for speech and singing apart."""
    out = converted.with_suffix(".json")
    command = [*shlex.split(judge), "--target", target, "--source", source, "--converted", converted, "--json", out]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    answer = json.loads(out.read_text())
    figures = {key: answer["mean"][key] for key in ("secs", "secs_floor", "secs_ceiling", "identity", "dnsmos")}
    for part in ("speech", "singing"):
        rows = [row for row in answer["rows"] if (source / part / row["file"]).is_file()]
        for key in ("words", "rpa50", "f0_corr"):
            figures[f"{key}_{part}"] = round(float(np.nanmean([row[key] for row in rows])), 4)
    return figures


def measure(work, voices, judge, seeds, only):
    sources = work / "sources"
    listed = dict(speech=[p for d in sorted((voices / "sources/speech").iterdir()) for p in sorted(d.iterdir())[:3]])
    listed["singing"] = sorted(p for p in (voices / "sources/singing").rglob("*") if p.suffix in (".wav", ".flac", ".mp3", ".ogg"))
    for part, paths in listed.items():
        for path in paths:
            y, _ = load_audio(path, sr=SR)
            save_audio(sources / part / f"{path.stem}.wav", y / max(1.0, np.abs(y).max()), SR)
    for seed in seeds:
        for name in only or TRAININGS:
            target, minutes, settings, ways = TRAININGS[name]
            done = [(r["training"], r["seed"], r["way"]) for r in known()]
            ways = [way for way in ways if (name, seed, way) not in done]
            if not ways:
                continue
            voice = learn(work, voices / "targets" / target / "train", minutes, settings, seed, f"{name.replace(' ', '_').replace('.', '_')}_{seed}")
            for way in ways:
                converted = work / "converted" / f"{voice.name}_{len(known())}"
                for path in sorted(sources.rglob("*.wav")):
                    y = convert(voice, path, **way)["y"]
                    save_audio(converted / path.name, y / max(1.0, np.abs(y).max()), SR)
                row = dict(training=name, seed=seed, way=way)
                row |= judged(judge, target=voices / "targets" / target / "refs", source=sources, converted=converted)
                with atomic_path(RESULTS) as tmp:
                    tmp.write_text("[\n" + ",\n".join(map(json.dumps, [*known(), row])) + "\n]\n")
                print(json.dumps(row), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, nargs="?")
    parser.add_argument("--voices", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "voices")
    parser.add_argument("--judge")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--only", nargs="*", choices=TRAININGS)
    args = parser.parse_args()
    measure(args.work, args.voices, args.judge, args.seeds, args.only)


if __name__ == "__main__":
    main()
