"""Measure the method: every part left out, minutes of voice, minutes of training, the knobs, four targets.

    python tests/benchmarks/trade_off.py WORK --judge "PYTHON evaluate.py" [--voices DIR] [--seeds 0 1 2] [--only NAME ...]
    python tests/benchmarks/trade_off.py --table
    python tests/benchmarks/trade_off.py --plot

Not a test; run it by hand. A seed takes an hour and a half on two cores, and the longest training another half. Every
figure goes to `results.json` beside this file as soon as it is known, and what stands there is not measured again: delete
it after a change of the method. DIR holds real recordings (targets/, sources/). The judge is a program that scores folders
with networks that vcutils does not use: ``--target REFS --source SRC --converted OUT --json FILE``. ``--table`` prints
means and spreads over the seeds, ``--plot`` draws `data/trade_off.webp`.
"""
import argparse
import json
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from course_figures import SR, ask, write

from vcutils import course
from vcutils.collect import collect
from vcutils.config import preset
from vcutils.dsp.audio import load_audio, save_audio
from vcutils.files import atomic_path
from vcutils.generate import convert
from vcutils.preprocess import preprocess
from vcutils.train import train
from vcutils.ui import plots
from vcutils.workspace import open_voice

RESULTS = Path(__file__).with_name("results.json")
QUICK = preset("quick")


def trained_for(share):
    """Settings that train for a share of quick's steps."""
    return dict(steps=round(QUICK.steps * share), gan_steps=round(QUICK.gan_steps * share))


# the trainings: target, minutes of its voice (None: all there is), settings that differ from quick's, ways to sing
DEFAULT = [{}]
KNOBS = [{}, *(dict(clarity=c) for c in (0.0, 0.6, 1.0)), *(dict(retrieval=r) for r in (0.0, 1.0)), dict(clarity=0.0, retrieval=0.0), dict(key=0)]
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
    answer = ask(judge, target=target, source=source, converted=converted)
    figures = {key: answer["mean"][key] for key in ("secs", "secs_floor", "secs_ceiling", "identity", "dnsmos", "dnsmos_target")}
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
            write(sources / part, path.stem, load_audio(path, sr=SR)[0])
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
                    write(converted, path.stem, convert(voice, path, **way)["y"])
                row = dict(training=name, seed=seed, way=way)
                row |= judged(judge, target=voices / "targets" / target / "refs", source=sources, converted=converted)
                with atomic_path(RESULTS) as tmp:
                    tmp.write_text("[\n" + ",\n".join(map(json.dumps, [*known(), row])) + "\n]\n")
                print(json.dumps(row), flush=True)


COLUMNS = ("secs", "identity", "dnsmos", "words_speech", "words_singing", "rpa50_singing", "f0_corr_singing")


def over_seeds(training, way):
    """Mean of each figure over the seeds measured so far, how far from it the farthest seed lies, and their number."""
    rows = [r for r in known() if (r["training"], r["way"]) == (training, way)]
    values = np.array([[r[key] for key in COLUMNS] for r in rows]).reshape(-1, len(COLUMNS))
    if not len(values):
        return None
    mean = values.mean(axis=0)
    return dict(zip(COLUMNS, mean)), dict(zip(COLUMNS, np.abs(values - mean).max(axis=0))), len(values)


def table():
    print("| training | sung with | seeds | " + " | ".join(COLUMNS) + " |\n" + "|---" * (3 + len(COLUMNS)) + "|")
    for training, (*_, ways) in TRAININGS.items():
        for way in ways:
            figures = over_seeds(training, way)
            if figures:
                mean, spread, n = figures
                cells = [f"{mean[key]:.3f}" + (f" ± {spread[key]:.3f}" if n > 1 else "") for key in COLUMNS]
                print(f"| {training} | {', '.join(f'{k} {v}' for k, v in way.items()) or 'defaults'} | {n} | " + " | ".join(cells) + " |")


def plot():
    fig, (knobs, voice, training) = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    lines = {
        "clarity": ({0.0: dict(clarity=0.0), 0.4: {}, 0.6: dict(clarity=0.6), 1.0: dict(clarity=1.0)}, plots.STYLES[0]),
        "retrieval (0.5 is clarity's 0.4)": ({0.0: dict(retrieval=0.0), 0.5: {}, 1.0: dict(retrieval=1.0)}, plots.STYLES[1]),
    }
    for knob, (ways, (color, stroke)) in lines.items():
        points = {value: over_seeds("all parts", way) for value, way in ways.items()}
        points = {value: figures[0] for value, figures in points.items() if figures}
        x, y = ([p[key] for p in points.values()] for key in ("secs", "words_speech"))
        knobs.plot(x, y, "o", color=color, linestyle=stroke, label=knob)
        for value, *at in zip(points, x, y):
            if (knob, value) != (list(lines)[1], 0.5):
                knobs.annotate(f"{value:g}", at, textcoords="offset points", xytext=(5, 5) if knob == "clarity" else (-14, -4), color=color)
    knobs.set(xlabel="similarity to the target", ylabel="words (speech)", title="what the knobs trade")
    knobs.margins(0.1)
    knobs.legend(loc="lower left")
    curves = (
        (voice, {0.5: "0.5 minutes of voice", 1: "1 minute of voice", 3: "3 minutes of voice", 7.4: "kerstin"}, "recordings of the voice (minutes)"),
        (training, {0.2: "training x 0.2", 0.6: "training x 0.6", 1: "all parts", 2: "training x 2", 6: "training x 6"}, "training (times that of quick)"),
    )  # fmt: skip
    for ax, names, label in curves:
        points = {x: over_seeds(name, {}) for x, name in names.items()}
        points = {x: figures for x, figures in points.items() if figures}
        for key, name, (color, stroke) in (("identity", "share of the way to the target", plots.STYLES[0]), ("words_speech", "words (speech)", plots.STYLES[1])):
            mean, spread = ([figures[i][key] for figures in points.values()] for i in (0, 1))
            ax.errorbar(list(points), mean, spread, fmt="o", color=color, linestyle=stroke, capsize=3, label=name)
        ax.set(xscale="log", xlabel=label, ylim=(0, 1), title=f"more {label.split(' (')[0]}")
        ax.set_xticks(list(points), [f"{x:g}" for x in points])
        ax.minorticks_off()
    voice.legend(loc="lower right")
    fig.savefig(Path(__file__).resolve().parents[2] / "data" / "trade_off.webp", dpi=100, pil_kwargs={"quality": 85})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, nargs="?")
    parser.add_argument("--voices", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "voices")
    parser.add_argument("--judge")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--only", nargs="*", choices=TRAININGS)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--plot", action="store_true")
    args = parser.parse_args()
    if args.table or args.plot:
        table() if args.table else plot()
    elif args.work and args.judge:
        measure(args.work, args.voices, args.judge, args.seeds, args.only)
    else:
        parser.error("measuring needs WORK and --judge")


if __name__ == "__main__":
    main()
