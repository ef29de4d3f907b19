"""Draw the README's picture: the demo song before and after, and the colour of the voices.

    python data/make_picture.py          # writes data/result.webp
"""
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from vcutils.demo import demo_model, demo_song, demo_voice
from vcutils.dsp.audio import load_audio
from vcutils.dsp.f0 import estimate_f0
from vcutils.generate import convert
from vcutils.model import load_model
from vcutils.ui import plots

SECONDS = slice(1, 9)


def main():
    sung = convert(load_model(demo_model()), demo_song()[0], key="octave")
    sr = sung["sr"]
    song, _ = load_audio(demo_song()[0], sr=sr)
    voice = np.concatenate([load_audio(path, sr=sr)[0] for path in sorted(demo_voice().glob("*.flac"))])

    fig = plt.figure(figsize=(12, 5), layout="constrained")
    axes = fig.subplot_mosaic([["song", "colour"], ["result", "colour"]], width_ratios=[3, 2])
    for name, y, title in (("song", song, "the song, by somebody else"), ("result", sung["y"], "the song, in the cloned voice")):
        y = y[SECONDS.start * sr : SECONDS.stop * sr]
        plots.spectrogram(y, sr=sr, fmax=4000, ax=axes[name])
        plots.f0_contour(estimate_f0(y, sr=sr, hop_length=160), sr=sr, hop_length=160, khz=True, ax=axes[name])
        axes[name].set_title(title)
    plots.long_term_spectra({"the song": song, "the result": sung["y"], "the voice, speaking": voice}, sr=sr, ax=axes["colour"])
    axes["colour"].set_title("the colour of the voices")
    fig.savefig(Path(__file__).with_name("result.webp"), dpi=100, pil_kwargs={"quality": 85})


if __name__ == "__main__":
    main()
