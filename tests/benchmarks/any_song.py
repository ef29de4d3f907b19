"""Measure singing from a score: is it in tune and in time, is it like the voice, are the words there?

    python tests/benchmarks/any_song.py WORK MODEL.npz REFS [--judge "PYTHON evaluate.py"]

Not a test; run it by hand, a few minutes. MODEL is a trained voice, REFS a folder of recordings of it that it was not
trained on. The judge is a program that scores folders with networks that vcutils does not use:
``--target REFS --source SRC --converted OUT --json FILE``.

Words are the judge's: how much the phones that it hears in the result are those that it hears at the same moment in a
reference. Two references serve: the *guide*, what eSpeak says laid on the notes and sounded by the bare synthesizer, and,
for Greensleeves, the demo recording, which has the same notes at the same times but another singer, whose consonants
fall elsewhere. "other words" has the notes of Greensleeves with the words of the Ode to Joy.
"""
import argparse
from dataclasses import replace
from pathlib import Path

import librosa
import numpy as np
from course_figures import SR, ask, write

from vcutils.demo import DEMO_SCORES, demo_score, demo_song
from vcutils.dsp.audio import load_audio
from vcutils.dsp.f0 import estimate_f0
from vcutils.generate import CLARITY, convert, load_singer
from vcutils.model import load_model
from vcutils.nn.render import render
from vcutils.perform import perform
from vcutils.score import read_score

LANGUAGE = {"ode_to_joy": "de"}


def read(name):
    melody, words, _ = demo_score(name)
    return read_score(melody, lyrics=words, language=LANGUAGE.get(name))


def guide(song, model, synthesizer):
    """eSpeak's frames, sounded without a voice: the noise 26 dB below the pulses where voiced."""
    mel, voiced_flag = song.features.mel, song.features.f0 > 0
    return render(synthesizer, np.hstack([mel, mel - 3.0 * voiced_flag[:, None]]), song.features.f0, config=model.config)


def tuning(y, score, key):
    """Share of notes of which 90 % of the middle half is within 35 cents; the median and the farthest onset in seconds."""
    f0, fps = estimate_f0(y, sr=SR, hop_length=160), SR / 160
    good, late = [], []
    for note in score.notes:
        quarter = (note.end - note.start) / 4
        middle = f0[int(np.ceil((note.start + quarter) * fps)) : int((note.end - quarter) * fps) + 1]
        cents = 100 * (librosa.hz_to_midi(middle[middle > 0]) - note.pitch - key)
        good.append(len(cents) > 0 and np.mean(np.abs(cents) < 35) >= 0.9)
    for before, note in zip(score.notes, score.notes[1:]):
        around = np.arange(round((note.start - 0.15) * fps), round((note.start + 0.15) * fps) + 1)
        if note.pitch != before.pitch and note.start - before.end < 0.01 and (f0[around] > 0).all():
            side = np.sign(note.pitch - before.pitch) * (librosa.hz_to_midi(f0[around]) - key - (note.pitch + before.pitch) / 2)
            late.append(around[np.argmax(side > 0)] / fps - note.start)
    return np.mean(good), np.median(np.abs(late)), np.max(np.abs(late)), len(late)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("refs", type=Path)
    parser.add_argument("--judge")
    args = parser.parse_args()
    model = load_model(args.model)
    _, _, synthesizer = load_singer(model)
    source, converted = args.work / "source", args.work / "converted"

    def pair(name, y, reference):
        n = min(len(y), len(reference))
        write(converted, name, y[:n])
        write(source, name, reference[:n])

    print("| song | notes in tune | onsets: median, farthest (of) |\n|---|---|---|")
    songs = {name: perform(read(name), config=model.config) for name in DEMO_SCORES}
    for name, song in songs.items():
        sung = convert(model, song)
        good, median, farthest, n = tuning(sung["y"], read(name), sung["key"])
        print(f"| {name} | {good:.0%} | {1000 * median:.0f} ms, {1000 * farthest:.0f} ms ({n}) |", flush=True)
        for clarity in (0.0, 0.2, CLARITY, 1.0):
            pair(f"{name}, clarity {clarity}, guide", convert(model, song, clarity=clarity)["y"], guide(song, model, synthesizer))
    recording, _ = load_audio(demo_song()[0], sr=SR)
    sung = {clarity: convert(model, (recording, SR), clarity=clarity)["y"] for clarity in (0.0, 0.2, CLARITY)}
    for clarity, y in sung.items():
        pair(f"greensleeves recorded, clarity {clarity}, recording", y, recording)
    score, other = read("greensleeves"), read("ode_to_joy")
    lyrics = [note.lyric for note in other.notes]
    wrong = replace(score, language="de", notes=tuple(replace(note, lyric=lyric) for note, lyric in zip(score.notes, lyrics + lyrics)))
    for name, song in (("greensleeves", songs["greensleeves"]), ("other words", perform(wrong, config=model.config))):
        pair(f"{name}, clarity {CLARITY}, recording", convert(model, song)["y"], recording)
    pair("other words, guide", convert(model, perform(wrong, config=model.config))["y"], guide(songs["greensleeves"], model, synthesizer))
    rows = ask(args.judge, target=args.refs, source=source, converted=converted)["rows"]
    print("\n| sung, against which reference | secs | words | DNSMOS |\n|---|---|---|---|")
    for row in rows:
        print(f"| {Path(row['file']).stem} | {row['secs']:.3f} | {row['words']:.3f} | {row['dnsmos']:.2f} |")


if __name__ == "__main__":
    main()
