"""Measure the figures that the notebooks quote as measured. Not a test; run it by hand, half an hour on two cores.
The trade between voice and words is measured by `trade_off.py`.

    python tests/benchmarks/course_figures.py WORK [--voices DIR] [--judge "PYTHON evaluate.py"]

WORK keeps voices and sounds, so that a second run goes on. DIR holds real recordings (targets/, sources/). The judge
is a program that scores folders with networks that vcutils does not use:
``--target REFS --source SRC --converted OUT --json FILE``; without it, its similarity, DNSMOS and words are left out.
"""
import argparse
import json
import shlex
import subprocess
from pathlib import Path

import librosa
import numpy as np

from vcutils import course
from vcutils.collect import collect
from vcutils.config import preset
from vcutils.demo import demo_model, demo_song, demo_voice
from vcutils.dsp.audio import load_audio, save_audio
from vcutils.dsp.effects import long_term_spectrum
from vcutils.dsp.f0 import estimate_f0
from vcutils.dsp.synthesizer import pulse_train
from vcutils.generate import convert
from vcutils.model import load_model
from vcutils.preprocess import preprocess
from vcutils.recipe import convert_recipe, train_recipe
from vcutils.results import compare, format_table, score, split_recordings
from vcutils.train import train
from vcutils.workspace import open_voice, variant

SR = 16000
TARGETS = ("ljspeech_en_f", "thorsten_de_m")


def write(folder, name, y, sr=SR):
    """A sound for the judge, never clipped."""
    return save_audio(folder / f"{name}.wav", y / max(1.0, np.abs(y).max()), sr)


def ask(judge, *, target, source, converted):
    """The judge's answer about a folder: means, and a row for each file; empty without a judge."""
    if not judge:
        return dict(mean={}, rows=[])
    out = converted.with_suffix(".json")
    command = [*shlex.split(judge), "--target", target, "--source", source, "--converted", converted, "--json", out]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return json.loads(out.read_text())


def say(name, mean, keys=("secs", "words", "dnsmos"), **more):
    figures = {key: mean[key] for key in keys if key in mean} | more
    print(f"{name}: " + ", ".join(f"{key} {value:.3f}" for key, value in figures.items()), flush=True)


def cloned(work, folder, name):
    voice = open_voice(name, workspace=work / "voices")
    collect(folder, voice, consent="licence", note="for a measurement", progress=False)
    preprocess(voice, config=preset("quick"), progress=False)
    train(voice, config=preset("quick"))
    return voice


def round_trip(work, voices, judge):
    """Notebook 4: what is left of a voice after 13 MFCC and back, and after the synthesizer."""
    for name in TARGETS:
        voice = cloned(work, voices / "targets" / name / "train", name)
        ways = {
            "recordings": lambda y: y,
            "mfcc": lambda y: librosa.feature.inverse.mfcc_to_audio(librosa.feature.mfcc(y=y, sr=SR, n_mfcc=13), sr=SR, length=len(y)),
            "vcutils": lambda y: convert(voice, (y, SR), key=0)["y"],
        }
        refs = sorted((voices / "targets" / name / "refs").iterdir())
        for way, function in ways.items():
            out, pitched = work / "round_trip" / name / way, []
            for path in refs:
                y = function(load_audio(path, sr=SR)[0])
                write(out, path.stem, y)
                pitched.append(np.mean(estimate_f0(y.astype(np.float32), sr=SR, hop_length=160) > 0))
            # each recording is compared with the mean of all, itself among them
            answer = ask(judge, target=voices / "targets" / name / "refs", source=voices / "targets" / name / "refs", converted=out)
            say(f"{name}, {way}, {len(refs)} files", answer["mean"], keys=("secs", "dnsmos"), pitched=np.mean(pitched))


def cheats(work):
    """Notebook 6: the demo voice, the recipe and four cheats. Similarity and DNSMOS need the extra `judge`."""
    voice = open_voice("slt", workspace=work / "voices")
    collect(demo_voice("slt"), voice, consent="licence", note=course.DEMO_NOTE, progress=False)
    target, held_out = split_recordings(voice, sr=SR)
    source, _ = load_audio(demo_song()[0], sr=SR)
    take = convert(load_model(demo_model()), demo_song()[0], key="octave")["y"]
    bands, own = long_term_spectrum(source, sr=SR)
    gain = np.interp(librosa.fft_frequencies(sr=SR, n_fft=1024), bands, long_term_spectrum(target, sr=SR)[1] - own)
    pulses, _ = pulse_train(estimate_f0(take, sr=SR, hop_length=160), sr=SR, hop_length=160)
    sounds = {
        "recipe": convert_recipe(train_recipe(target, sr=SR, progress=False), source, sr=SR),
        "your clone": take,
        "buzz": librosa.util.fix_length(pulses, size=len(source)),
        "wrong song": np.resize(target, len(source)),
        "tone control": librosa.istft(librosa.stft(source, n_fft=1024) * 10 ** (gain[:, None] / 20), n_fft=1024, length=len(source)),
    }
    print(format_table(compare(sounds, source=source, target=target, sr=SR, held_out=held_out)))


def luck(work):
    """Notebook 6: how much the figures of the short ablation differ from seed to seed."""
    voice = open_voice("slt", workspace=work / "voices")
    collect(demo_voice("slt"), voice, consent="licence", note=course.DEMO_NOTE, progress=False)
    preprocess(voice, config=course.experiment(), progress=False)
    target, _ = split_recordings(voice, sr=SR)
    source, _ = load_audio(demo_song()[0], sr=SR)
    equally_long = dict(steps=course.experiment().steps + course.experiment().gan_steps, gan_steps=0)
    for name, changes in {"all parts": {}, "no disguise": course.NO_DISGUISE, "no adversary": equally_long}.items():
        rows = []
        for seed in range(3):
            singer = variant(voice, f"{name.replace(' ', '_')}_{seed}")
            train(singer, config=course.experiment(seed=seed, **changes), progress=False)
            for strength in (0.5, 0.0) if name == "all parts" else (0.5,):
                sung = convert(singer, demo_song()[0], key="octave", clarity=0, retrieval=strength)["y"]
                rows.append((strength, score(sung, source, target, sr=SR)))
        for strength in sorted({s for s, _ in rows}):
            for key in ("mcd_db", "spectrum_distance_db"):
                values = [figures[key] for s, figures in rows if s == strength]
                print(f"{name}, retrieval {strength}, {key}: " + ", ".join(f"{v:.2f}" for v in values), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--voices", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "voices")
    parser.add_argument("--judge", default="")
    parser.add_argument("--only", nargs="*", default=["luck", "cheats", "round_trip"])
    args = parser.parse_args()
    for name in args.only:
        print(f"== {name}")
        function = {"luck": luck, "cheats": cheats, "round_trip": round_trip}[name]
        function(args.work) if name in ("luck", "cheats") else function(args.work, args.voices, args.judge)


if __name__ == "__main__":
    main()
