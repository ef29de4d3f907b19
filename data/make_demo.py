"""Make the demo data: two voices that speak, a song sung by a third, and three songs as scores with backings.

    sudo apt-get install flite            # the voices; 2.2 was used
    pip install -e ".[test]"              # pyworld, the vocoder that moves the pitch
    python data/make_demo.py

All speech is synthesised by flite. The song is "Greensleeves" (words printed in London in 1584, tune about as old; in
the public domain). The sentences were written for this project. See README.md beside this file.
"""
import csv
import io
import re
import subprocess
import tempfile
from pathlib import Path

import librosa
import numpy as np
import pretty_midi
import pyworld
import scipy.signal
import soundfile

from vcutils.dsp.audio import load_audio, save_audio
from vcutils.files import atomic_path

HERE = Path(__file__).parent
VOICES = ("slt", "rms")  # female, male
SINGER = "awb"
SONG_SR = 44100
FRAME = 0.005  # seconds between the vocoder's frames
EIGHTH = 0.34  # seconds; the song is in 6/8
BAR = 6 * EIGHTH
BREATH = 0.16  # seconds of silence before each line

# Every English sound in several surroundings, statements and questions, short and long.
SENTENCES = """\
The quiet harbour woke slowly as the first fishing boats came home with their silver catch.
Could you measure the width of the old bridge before the heavy trucks arrive this afternoon?
My brother chose a small yellow house near the edge of the woods, far away from any road.
Seven young musicians gathered in the courtyard, tuned their instruments, and began to play.
She thought about the question for a while, smiled, and gave a short and honest answer.
Fresh bread, ripe cheese and a jar of honey are all we usually need for breakfast.
Although the weather was rough, the pilot kept the little plane steady above the clouds.
The judge asked both witnesses to describe the unusual vehicle that had blocked the garage.
A thin layer of ice covered the pond, so the children stayed on the path and watched the birds.
How often do you hear a good story that you have not already heard a hundred times?
Roy enjoys the noise of the market, the voices, the coins, and the smell of roasted coffee.
Please put the blue cushion on the couch and the wooden stool beside the fire.
The theory sounds simple enough, yet nobody has found a way to prove that it is true.
In the evening a warm breeze moved through the leaves, and the whole valley smelled of rain.
They would rather walk thirty miles through deep snow than spend one more night in that hotel.
The nurse poured some water into a glass, checked the chart, and turned the light down low.
Which of these vases belongs to your father, and which ones were a gift from the mayor?
An orange kite hung in the branches of the tallest oak, just beyond the reach of our ladder.
We finally took the early train to the coast, and we were swimming in the sea before noon.
Nothing pleases George more than a sharp pencil, a large sheet of paper, and an empty day.
The exhausted travellers shook the dust from their clothes and asked for soup and a dry bed.
Is the treasure really hidden under the third stone, or did somebody invent the whole thing?
Her voice was low and clear, and even the people in the last row could follow every word.
Put the fish in the pan, add butter, garlic and lemon, and cook it for about eight minutes.
A genuine surprise waited for them at the border: both guards waved, and the gate stood open.
Why would anyone choose a concrete tower when a garden with an old pear tree is for sale?
The boys were joking loudly on the bus, but they grew quiet as soon as the thunder began.
Her usual route takes her past the church, the museum, the zoo, and a shop that sells toys.
He could hear good music everywhere: in the kitchen, in the garage, even inside the fog.
Thank you for listening this far; the last page is short, and then the book is over.
""".splitlines()

# One line of the song a row; each syllable with its notes as pitch:eighths. A line's text is what flite reads.
SONG = (
    ("alas my love you do me wrong",
     "a E3:1 | las G3:2 my A3:1 love B3:1.5,C4:.5 you B3:1 | do A3:2 me F#3:1 wrong D3:1.5,E3:.5"),
    ("to cast me off discourteously",
     "to F#3:1 | cast G3:2 me E3:1 off E3:1.5,D#3:.5 dis E3:1 | cour F#3:2 te D#3:.5 ous D#3:.5 ly B2:2"),
    ("for I have loved you well and long",
     "for E3:1 | I G3:2 have A3:1 loved B3:1.5,C4:.5 you B3:1 | well A3:2 and F#3:1 long D3:1.5,E3:.5"),
    ("delighting in your company",
     "de F#3:1 | light G3:1.5,F#3:.5 ing E3:1 in D#3:1.5,C#3:.5 your D#3:1 | com E3:2 pa E3:1 ny E3:3"),
    ("green sleeves was all my joy",
     "| green D4:3 sleeves D4:1.5,C4:.5 was B3:1 | all A3:2 my F#3:1 joy D3:1.5,E3:.5,F#3:1"),
    ("green sleeves was my delight",
     "| green G3:2,E3:1 sleeves E3:1.5,D#3:.5 was E3:1 | my F#3:2 de D#3:1 light B2:3"),
    ("green sleeves was my heart of gold",
     "| green D4:3 sleeves D4:1 was C4:1 my B3:1 | heart A3:2 of F#3:1 gold D3:1.5,E3:.5"),
    ("and who but my lady green sleeves",
     "and F#3:1 | who G3:1 but F#3:1 my E3:1 la D#3:1.5,C#3:.5 dy D#3:1 | green E3:3 sleeves E3:3"),
)
# Two more songs, as scores only: name, seconds a beat, and lines as above with beats for eighths; "r" is a rest. 4/4.
# "Ode an die Freude": F. Schiller 1785, L. van Beethoven 1824. "Songbie": Li Shutong 1915, J. P. Ordway 1868.
SCORES = {
    "ode_to_joy": (0.55, (
        "Freu- F#3:1 de, F#3:1 schö- G3:1 ner A3:1 Göt- A3:1 ter- G3:1 fun- F#3:1 ken, E3:1",
        "Toch- D3:1 ter D3:1 aus E3:1 E- F#3:1 ly- F#3:1.5 si- E3:.5 um, E3:1.8 r .2",
        "wir F#3:1 be- F#3:1 tre- G3:1 ten A3:1 feu- A3:1 er- G3:1 trun- F#3:1 ken, E3:1",
        "Himm- D3:1 li- D3:1 sche, E3:1 dein F#3:1 Hei- E3:1.5 lig- D3:.5 tum! D3:1.5 r .5",
        "Dei- E3:1 ne E3:1 Zau- F#3:1 ber D3:1 bin- E3:1 den F#3:.5,G3:.5 wie- F#3:1 der, D3:1",
        "was E3:1 die F#3:.5,G3:.5 Mo- F#3:1 de E3:1 streng D3:1 ge- E3:1 teilt; A2:.8 r .2",
        "al- F#3:2 le F#3:1 Men- G3:1 schen A3:1 wer- A3:1 den G3:1 Brü- F#3:1 der, E3:1",
        "wo D3:1 dein D3:1 sanf- E3:1 ter F#3:1 Flü- E3:1.5 gel D3:.5 weilt. D3:2"),
        "D D  D A  D D  A A  D D  D A  D D  A D  A D  A D  A D  A A  D D  D A  D D  A D"),
    "songbie": (0.6, (
        "长 G3:1 亭 E3:.5,G3:.5 外 C4:2 古 A3:1 道 C4:1 边 G3:2",
        "芳 G3:1 草 C3:.5,D3:.5 碧 E3:1 连 D3:.5,C3:.5 天 D3:3 r 1",
        "晚 G3:1 风 E3:.5,G3:.5 拂 C4:1.5 柳 B3:.5 笛 A3:1 声 C4:1 残 G3:2",
        "夕 G3:1 阳 D3:.5,E3:.5 山 F3:1.5 外 B2:.5 山 C3:3 r 1",
        "天 A3:1 之 C4:1 涯 C4:2 地 B3:1 之 A3:.5,B3:.5 角 C4:2",
        "知 A3:.5,B3:.5 交 C4:.5,A3:.5 半 A3:.5,G3:.5 零 E3:.5,C3:.5 落 D3:3 r 1",
        "一 G3:1 壶 E3:.5,G3:.5 浊 C4:1.5 酒 B3:.5 尽 A3:1 余 C4:1 欢 G3:2",
        "今 G3:1 宵 D3:.5,E3:.5 别 F3:1.5 梦 B2:.5 寒 C3:3 r 1"),
        "C C  F C  C Am  G G  C C  F C  G G  C C  F F  G C  F C  G G  C C  F C  G G  C C"),
}
# One chord for each half bar; the first bar is the introduction, the last one rings out.
CHORDS = ("Em Em  Em Em  D D  Em Em  B B  Em Em  D D  Em B  Em Em"
          "       G G  D D  Em Em  B B  G G  D D  Em B  Em Em  Em Em").split()
TONES = {"Em": ("E2", "B2", "E3", "G3", "B3"), "D": ("D2", "A2", "D3", "F#3", "A3"),
         "B": ("B1", "F#2", "B2", "D#3", "F#3"), "G": ("G2", "B2", "D3", "G3", "B3"),
         "A": ("A1", "E2", "A2", "C#3", "E3"), "C": ("C2", "G2", "C3", "E3", "G3"), "F": ("F2", "C3", "F3", "A3", "C4"),
         "Am": ("A1", "E2", "A2", "C3", "E3")}

VOWELS = "aa ae ah ao aw ax ay eh er ey ih iy ow oy uh uw".split()
UNVOICED = "pau p t k f th s sh ch hh".split()


def flite(text, voice):
    """Speak `text`. Returns y [shape=(n,)], sr, and the phones as (name, start, end) in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "a.wav"
        said = subprocess.run(["flite", "-voice", voice, "-psdur", "-t", text, "-o", wav], check=True, capture_output=True, text=True)
        y, sr = load_audio(wav)
    names, ends = zip(*re.findall(r"(\w+):([\d.]+)", said.stdout))
    ends = [float(end) for end in ends]
    return y, sr, list(zip(names, [0.0, *ends], ends))


def speak(voice):
    """Write one FLAC a sentence, all at the same gain."""
    takes = [flite(sentence, voice)[:2] for sentence in SENTENCES]
    gain = 0.7 / max(np.abs(y).max() for y, _ in takes)
    for number, (y, sr) in enumerate(takes, 1):
        save_audio(HERE / "voices" / voice / f"{voice}_{number:02d}.flac", gain * y, sr,
                   comment=f"Synthetic speech: flite voice {voice}")


def score():
    """The song as a list of lines: (text, [(syllable, [(midi, start, end), ...]), ...]), times in seconds."""
    time, lines = BAR - EIGHTH, []  # the introduction less the pickup
    for text, melody in SONG:
        words = melody.replace("|", "").split()
        syllables = []
        for syllable, notes in zip(words[::2], words[1::2]):
            sung = []
            for note in notes.split(","):
                pitch, eighths = note.split(":")
                sung.append((int(librosa.note_to_midi(pitch)), time, time + float(eighths) * EIGHTH))
                time = sung[-1][2]
            syllables.append((syllable, sung))
        lines.append((text, syllables))
    return lines


def vowel_groups(phones):
    """Positions (first, last) of each vowel; an "er" right after a vowel belongs to it, as in "court"."""
    groups = []
    for i, (name, _, _) in enumerate(phones):
        if name in VOWELS:
            if name == "er" and groups and groups[-1][1] == i - 1:
                groups[-1] = (groups[-1][0], i)
            else:
                groups.append((i, i))
    return groups


def align(phones, syllables, end):
    """Where each moment of the spoken line goes in the sung one: arrays (sung, spoken) of seconds, to interpolate.

    A vowel starts on its note and fills it; the consonants before the next vowel keep their length and end on its note.
    """
    phones = [phone for phone in phones if phone[0] != "pau"]
    groups = vowel_groups(phones)
    assert len(groups) == len(syllables), (phones, syllables)
    onsets = [notes[0][1] for _, notes in syllables]
    first = phones[0][1]
    lead = phones[groups[0][0]][1] - first
    knots = [(onsets[0] - lead - 0.05, first - 0.05), (onsets[0] - lead, first)]
    nexts = [phones[a][1] for a, _ in groups[1:]] + [phones[-1][2]]
    for (a, b), onset, until, next_start in zip(groups, onsets, onsets[1:] + [end], nexts):
        start, stop = phones[a][1], phones[b][2]
        length = stop - start
        room = until - onset - min(next_start - stop, 0.4 * (until - onset))  # a short note squeezes its consonants
        knots.append((onset, start))
        if room > length:  # hold the middle, keep the ways in and out
            knots += [(onset + 0.3 * length, start + 0.3 * length), (onset + room - 0.4 * length, stop - 0.4 * length)]
        knots.append((onset + room, stop))
    knots += [(end, phones[-1][2]), (end + 0.05, phones[-1][2] + 0.05)]
    sung, spoken = np.array(knots).T
    return sung, spoken


def sung_pitch(times, syllables, rng):
    """F0 in Hz at `times`: the notes, joined by glides, with a vibrato that grows on long ones, a little unsteady."""
    notes = [note for _, sung in syllables for note in sung]
    midi = np.full(len(times), float(notes[0][0]))
    vibrato = np.zeros(len(times))
    for pitch, start, end in notes:
        midi[times >= start - 0.03] = pitch  # the glide is over soon after the vowel begins
        if end - start > 1.4 * EIGHTH:
            held = (times >= start) & (times < end)
            since = times[held] - start
            vibrato[held] = 0.20 * np.clip((since - 0.2) / 0.3, 0, 1) * np.sin(2 * np.pi * 5.3 * since)
    glide = np.hanning(round(0.09 / FRAME))
    unsteady = smooth(0.3 * rng.standard_normal(len(times)), np.hanning(round(0.4 / FRAME)))
    scoop = -0.6 * np.clip(1 - (times - notes[0][1] + 0.05) / 0.1, 0, 1)
    return librosa.midi_to_hz(smooth(midi + vibrato, glide) + unsteady + scoop)


def smooth(x, window):
    """Mean of `x` weighted by `window`, as long as `x`."""
    padded = np.pad(x, len(window) // 2, mode="edge")
    return np.convolve(padded, window / window.sum(), mode="valid")[:len(x)]


def sing_line(text, syllables, end, rng):
    """Sing one line. Returns y [shape=(n,)], sr and the time in seconds at which it starts."""
    y, sr, phones = flite(text, SINGER)
    y = y.astype(np.float64)
    f0, times = pyworld.harvest(y, sr, frame_period=1000 * FRAME)
    voiced = np.array([not any(start <= t < stop and name in UNVOICED for name, start, stop in phones) for t in times])
    f0 = np.where(voiced, np.interp(times, times[f0 > 0], f0[f0 > 0]), 0)
    envelope = np.log(pyworld.cheaptrick(y, f0, times, sr))
    aperiodicity = pyworld.d4c(y, f0, times, sr)

    sung, spoken = align(phones, syllables, end)
    out = np.arange(sung[0], sung[-1], FRAME)
    frames = np.clip(np.interp(out, sung, spoken) / FRAME, 0, len(times) - 1.001)
    below = frames.astype(int)
    mix = (frames - below)[:, None]
    envelope, aperiodicity = ((1 - mix) * x[below] + mix * x[below + 1] for x in (envelope, aperiodicity))
    pitch = sung_pitch(out, syllables, rng)
    f0_out = np.where(voiced[np.round(frames).astype(int)], pitch, 0)
    louder = 0.15 * 12 * np.log2(pitch / pitch.min())  # dB: high notes are sung louder
    power = np.exp(envelope) * 10 ** (louder[:, None] / 10)
    y = pyworld.synthesize(f0_out, power, aperiodicity, sr, 1000 * FRAME)
    fade = np.interp(np.arange(len(y)) / sr, [0, 0.03, len(y) / sr - 0.15, len(y) / sr], [0, 1, 1, 0])
    return y * fade, sr, out[0]


def sing():
    """The guide vocal. Returns y [shape=(n,)] at SONG_SR, as long as the backing."""
    rng = np.random.default_rng(0)
    lines = score()
    starts = [syllables[0][1][0][1] for _, syllables in lines[1:]] + [lines[-1][1][-1][1][-1][2]]
    song = np.zeros(round(len(CHORDS) * BAR / 2 * SONG_SR))
    for (text, syllables), next_start in zip(lines, starts):
        y, sr, start = sing_line(text, syllables, next_start - BREATH, rng)
        y = librosa.resample(y, orig_sr=sr, target_sr=SONG_SR)
        at = round(start * SONG_SR)
        song[at:at + len(y)] += y
    return 0.7 * song / np.abs(song).max()


def pluck(frequency, seconds, rng):
    """A plucked string: noise going round a delay line and losing its highs (Karplus & Strong 1983)."""
    period = SONG_SR / frequency
    noise = scipy.signal.lfilter([0.3], [1, -0.7], rng.uniform(-1, 1, round(period)))
    excitation = np.zeros(round(seconds * SONG_SR))
    excitation[:len(noise)] = noise
    delay = int(period - 0.5)
    fraction = period - 0.5 - delay  # tunes the string between two samples
    loop = np.zeros(delay + 3)
    loop[delay:delay + 3] = 0.5 * 0.996 * np.convolve([1, 1], [1 - fraction, fraction])
    y = scipy.signal.lfilter([1], np.concatenate([[1], -loop[1:]]), excitation)
    y -= y.mean()
    return y * np.minimum(1, (len(y) - np.arange(len(y))) / (0.05 * SONG_SR))


def accompany(chords, half_bar, beats):
    """Guitar, bass and brushes, two chords a bar of so many seconds and beats. Returns y [shape=(2, n)] at SONG_SR."""
    rng = np.random.default_rng(1)
    n = round(len(chords) * half_bar * SONG_SR)
    y = np.zeros((2, n))
    beat = half_bar / beats

    def add(sound, time, gain, pan):
        at = round(time * SONG_SR)
        sound = gain * sound[:n - at]
        y[0, at:at + len(sound)] += sound * np.cos(pan * np.pi / 2)
        y[1, at:at + len(sound)] += sound * np.sin(pan * np.pi / 2)

    hz = librosa.note_to_hz
    t = np.arange(round(0.25 * SONG_SR)) / SONG_SR
    drum = np.sin(2 * np.pi * (50 * t + 3 * (1 - np.exp(-t * 40)))) * np.exp(-t * 14)
    high_pass = scipy.signal.butter(2, 4000, "highpass", fs=SONG_SR, output="sos")
    for half, chord in enumerate(chords[:-1]):  # the last bar is one chord
        start, tones = half * half_bar, TONES[chord]
        rings_out = half == len(chords) - 2
        length = 2 * half_bar if rings_out else half_bar
        t_bass = np.arange(round(length * SONG_SR)) / SONG_SR
        bass = sum(np.sin(2 * np.pi * k * hz(tones[0]) * t_bass) / k**2 for k in (1, 2, 3))
        add(bass * np.minimum(1, t_bass / 0.01) * np.exp(-t_bass * 1.2) * np.clip((length - t_bass) / 0.08, 0, 1), start, 0.16, 0.5)
        for step, tone in enumerate((1, 3, 4)[:beats] if beats == 3 else (1, 3, 4, 3)[:2 * beats]):
            time = 0.02 * step if rings_out else step * (beat if beats == 3 else beat / 2)
            add(pluck(hz(tones[tone]), 1.8 * half_bar, rng), start + time, 0.30, (0.35, 0.65, 0.5, 0.6)[step])
        add(pluck(hz(tones[2]), 1.8 * half_bar, rng), start, 0.20, 0.4)
        if half >= 2 and not rings_out:  # the drums wait for the voice
            add(drum, start, 0.22 if half % 2 == 0 else 0.10, 0.5)
            for step in range(beats):
                brush = scipy.signal.sosfilt(high_pass, rng.standard_normal(len(t))) * np.exp(-t * (30 if step else 60))
                add(brush, start + step * beat, (0.020, 0.012, 0.016)[step], 0.6)
    y[:, -round(0.5 * SONG_SR):] *= np.linspace(1, 0, round(0.5 * SONG_SR))
    return 0.5 * y / np.abs(y).max()


def write_score(name, lines, beat, bar, signature):
    """The melody as MIDI and its words as text. `lines` as `score` gives them, with hyphens after syllables of unfinished words."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=60 / beat, resolution=960)
    midi.time_signature_changes.append(pretty_midi.TimeSignature(*signature, 0))
    melody = pretty_midi.Instrument(program=52, name="melody")
    text = []
    for syllables in lines:
        words = ""
        for syllable, notes in syllables:
            for pitch, start, end in notes:
                strong = min(start % bar, bar - start % bar) < 0.01  # the first beat of a bar is louder
                melody.notes.append(pretty_midi.Note(90 if strong else 78, pitch, start, end))
            words += syllable + " _" * (len(notes) - 1) + ("" if syllable.endswith("-") and len(notes) == 1 else " ")
        text.append(words.strip())
    midi.instruments.append(melody)
    with atomic_path(HERE / "songs" / f"{name}.mid") as tmp:
        midi.write(str(tmp))
    with atomic_path(HERE / "songs" / f"{name}.txt") as tmp:
        tmp.write_text("\n".join(text) + "\n", encoding="utf-8")


def make_scores():
    """The three songs as scores, and backings for the two that have none yet."""
    written = [[(w, n) for w, n in zip(hyphenated(text, [s for s, _ in syllables]), [n for _, n in syllables])] for text, syllables in score()]
    write_score("greensleeves", written, EIGHTH, BAR, (6, 8))
    for name, (beat, song, chords) in SCORES.items():
        time, lines = 4 * beat, []  # a bar of introduction
        for line in song:
            pieces, syllables = line.split(), []
            for syllable, notes in zip(pieces[::2], pieces[1::2]):
                if syllable == "r":
                    time += float(notes) * beat
                    continue
                sung = []
                for note in notes.split(","):
                    pitch, beats = note.split(":")
                    sung.append((int(librosa.note_to_midi(pitch)), time, time + float(beats) * beat))
                    time = sung[-1][2]
                syllables.append((syllable, sung))
            lines.append(syllables)
        write_score(name, lines, beat, 4 * beat, (4, 4))
        chords = chords.split()
        backing = accompany(chords[:2] + chords + chords[-2:], 2 * beat, 2)
        backing = librosa.resample(backing, orig_sr=SONG_SR, target_sr=24000)  # this and the level below halve the file
        with atomic_path(HERE / "songs" / f"{name}_backing.ogg") as tmp:
            soundfile.write(tmp, backing.T, 24000, compression_level=0.8)


def hyphenated(text, syllables):
    """The syllables of a line with a hyphen where a word goes on."""
    out, words = [], text.split()
    for syllable in syllables:
        rest = words[0][len(syllable):]
        out.append(syllable + ("-" if rest else ""))
        words = [rest, *words[1:]] if rest else words[1:]
    return out


def write_notes(path):
    """The melody as a table, for plots and tests: start and end in seconds, MIDI pitch, syllable ("-" continues it)."""
    rows = [("start", "end", "midi", "syllable")]
    for _, syllables in score():
        for syllable, notes in syllables:
            rows += [(f"{start:.3f}", f"{end:.3f}", midi, "-" if i else syllable) for i, (midi, start, end) in enumerate(notes)]
    table = io.StringIO(newline="")
    csv.writer(table, lineterminator="\n").writerows(rows)
    with atomic_path(path) as tmp:
        tmp.write_bytes(table.getvalue().encode())


def train_model():
    """Clone the first voice as the notebooks do, and keep the file: six minutes on two cores."""
    from vcutils.collect import collect
    from vcutils.config import preset
    from vcutils.course import DEMO_NOTE
    from vcutils.preprocess import preprocess
    from vcutils.train import train
    from vcutils.workspace import open_voice

    config = preset("quick")
    with tempfile.TemporaryDirectory() as workspace:
        voice = open_voice("demo", workspace=workspace)
        collect(HERE / "voices" / VOICES[0], voice, consent="licence", note=DEMO_NOTE)
        preprocess(voice, config=config)
        train(voice, config=config)
        with atomic_path(HERE / "models" / f"{VOICES[0]}.npz") as tmp:
            tmp.write_bytes(voice.model.read_bytes())


if __name__ == "__main__":
    for voice in VOICES:
        speak(voice)
    songs = HERE / "songs"
    save_audio(songs / "greensleeves.flac", sing(), SONG_SR, comment=f"Synthetic singing: flite voice {SINGER}, WORLD vocoder")
    save_audio(songs / "greensleeves_backing.ogg", accompany(CHORDS, BAR / 2, 3), SONG_SR)
    write_notes(songs / "greensleeves_notes.csv")
    make_scores()
    train_model()
