"""From a score to a performance: what a singer would do with it, as the frames that `vcutils.generate.convert` sings.

eSpeak speaks the words. Its speech is taken apart like any recording, and its *frames* are laid on the notes: a vowel begins
on its note and is held in its middle, consonants keep their length and come before the beat. Pitch, vibrato, loudness and
breaths are made here. No sound is made on the way: the generator sings it.
"""
import re
import unicodedata
from dataclasses import dataclass, replace

import librosa
import numpy as np
import scipy.signal

from vcutils.dsp.content import f0_range as range_of
from vcutils.dsp.features import DECIBELS, SILENCE_DB, Features, analyse, frames_at, sounding
from vcutils.dsp.speech import CHINESE, guess_language, speak
from vcutils.errors import InputError
from vcutils.generate import Song, read_song
from vcutils.score import HELD

PAUSE = 0.15  # s; a shorter gap between notes is sung through
BREATH = 60  # syllables; a longer phrase is sung, and spoken, in parts, as eSpeak stops after 199 Chinese ones
RATE = 130  # words a minute at which eSpeak speaks: slow enough for full vowels
DAMPING = 0.7  # of the pitch's movement to a new note; it overshoots by a twentieth, less than the singers of [1] in `perform` did


def perform(
    score, *, config, portamento=0.035, vibrato=0.25, vibrato_rate=5.5, vibrato_delay=0.3, drift=0.05, dynamics=1.0, breath=-20.0, seed=0, progress=False
):
    """Sing a score, up to the point where a voice is needed.

    Parameters
    ----------
    score : vcutils.score.Score
    config : vcutils.config.Config
        Of the voice that will sing it.
    portamento : float
        Seconds before the beat at which the pitch leaves for the next note, so that it is half there on the beat. It
        goes a little too far and comes back, as singers' does [1]_.
    vibrato : float
        Semitones to both sides; 0 for none. It sets in on notes longer than twice `vibrato_delay`.
    vibrato_rate : float
        Hz.
    vibrato_delay : float
        Seconds from the start of a note until vibrato begins to grow.
    drift : float
        Semitones by which the pitch wanders slowly, as nobody holds a note exactly.
    dynamics : float
        1: loudness follows velocity, height and the arch of the phrase; 0: even.
    breath : float or None
        dB of the breaths in rests, relative to the voice; None for none.
    seed : int
        Of drift and vibrato's phase.
    progress : bool
        Show a progress bar.

    Returns
    -------
    vcutils.generate.Song
        For `vcutils.generate.convert`.

    Raises
    ------
    InputError
        If a setting is out of range, or eSpeak is missing or cannot speak the words.

    References
    ----------
    .. [1] T. Saitou, M. Unoki and M. Akagi, "Development of an F0 control model based on F0 dynamic characteristics for
       singing-voice synthesis", Speech Communication 46, 2005.

    Examples
    --------
    >>> from vcutils.config import preset
    >>> from vcutils.demo import demo_score
    >>> from vcutils.score import read_score
    >>> melody, words, _ = demo_score("greensleeves")
    >>> song = perform(read_score(melody, lyrics=words), config=preset("quick"))
    >>> song.features.mel.shape[1]
    80
    """
    for name, value, low, high in (
        ("portamento", portamento, 0, 0.5), ("vibrato", vibrato, 0, 2), ("vibrato_rate", vibrato_rate, 1, 12), ("vibrato_delay", vibrato_delay, 0, 5),
        ("drift", drift, 0, 1), ("dynamics", dynamics, 0, 3), ("breath", -20 if breath is None else breath, -60, 0), ("seed", seed, 0, 2**32),
    ):  # fmt: skip
        if not low <= value <= high:
            raise InputError(f"{name} is {value}; it must be between {low} and {high}.")
    source = {**(score.source or {}), "language": score.language, "performance": dict(
        portamento=portamento, vibrato=vibrato, vibrato_rate=vibrato_rate, vibrato_delay=vibrato_delay, drift=drift, dynamics=dynamics,
        breath=breath, seed=seed)}  # fmt: skip
    rng = np.random.default_rng(seed)
    fps = config.sr / config.hop_length
    phrases = _phrases(score.notes)
    breath_y, speech_sr, heard = speak("ha", language="en-us", rate=RATE, intonation=0)
    pieces, offset = [breath_y], len(breath_y) / speech_sr
    h = next(phone for phone in heard if phone.name == "h")
    for phrase in phrases:
        y, _, phones = speak(_text(phrase)[0], language=score.language, rate=RATE, intonation=0)
        phrase.lay(phones, offset)
        pieces.append(y)
        offset += len(y) / speech_sr
    y = librosa.resample(np.concatenate(pieces), orig_sr=speech_sr, target_sr=config.sr)
    speech = analyse(y, **config.analysis, progress=progress)

    h = slice(round(h.start * fps), round(h.end * fps) + 1)
    inhaled = speech.mel[h].mean(axis=0) - speech.loudness[h].mean() / DECIBELS  # the colour of a breath, at 0 dB

    n_frames = int(np.ceil((score.notes[-1].end + 0.5) * fps)) + 1
    times = np.arange(n_frames) / fps
    loudness = np.full(n_frames, SILENCE_DB)
    mel = np.full((n_frames, config.n_mels), speech.mel.min())
    f0 = np.zeros(n_frames)
    middle = np.median([note.velocity for note in score.notes])
    for phrase, before in zip(phrases, [None, *phrases]):
        sung, spoken = phrase.knots
        frames = slice(max(int(np.ceil(sung[0] * fps)), 0), int(sung[-1] * fps) + 1)
        t = times[frames]
        where = np.interp(t, sung, spoken) * fps
        gain = np.interp(t, *phrase.gains(speech, fps)) + dynamics * phrase.dynamics(t, middle)
        for start, end in phrase.silences:
            gain = gain - 90 * ((t >= start) & (t < end))
        gain = gain - 12 * _ramp(t - t[0], 0.03) - 12 * _ramp(t[-1] - t, 0.08)  # soft in, soft out
        mel[frames] = frames_at(speech.mel, where) + gain[:, None] / DECIBELS
        loudness[frames] = frames_at(speech.loudness, where) + gain
        voiced_flag = speech.f0[np.round(where).astype(int).clip(0, len(speech.f0) - 1)] > 0
        voiced_flag |= phrase.in_vowel(t)
        pitch = phrase.pitch(t, fps, portamento) + phrase.vibrato(t, vibrato, vibrato_rate, vibrato_delay, rng) + _drift(len(t), fps, drift, rng)
        f0[frames] = np.where(voiced_flag, librosa.midi_to_hz(pitch), 0)
        rest = sung[0] - (before.knots[0][-1] if before else 0)
        if breath is not None and rest > 0.35:
            _breathe(mel, loudness, fps, end=sung[0] - 0.06, seconds=min(0.35, rest - 0.15), level=breath - 26, like=inhaled)
    louder = -26 - loudness[sounding(loudness)].mean()  # the level that recordings are set to
    loudness, mel = loudness + louder, mel + louder / DECIBELS
    features = Features(np.zeros(0, np.float32), f0.astype(np.float32), np.maximum(loudness, SILENCE_DB).astype(np.float32), mel.astype(np.float32))
    return Song(features, (n_frames - 1) * config.hop_length, source)


def say(text, *, config, language=None, rate=150, f0_range=None):
    """Speak a text, up to the point where a voice is needed.

    Parameters
    ----------
    text : str
    config : vcutils.config.Config
        Of the voice that will speak it.
    language : str, optional
        For `vcutils.dsp.speech.speak`. Default: by the script, English for Latin letters.
    rate : int
        Words per minute.
    f0_range : (float, float, float), optional
        Of the voice (`VoiceModel.f0_range`): the speech melody is moved there and made as wide as the voice's own.

    Returns
    -------
    vcutils.generate.Song
        For `vcutils.generate.convert`, with ``key=0`` if `f0_range` was given.

    Raises
    ------
    InputError
        If there is nothing to say, or eSpeak is missing or does not know the language.

    Examples
    --------
    >>> from vcutils.config import preset
    >>> song = say("Good morning.", config=preset("quick"), f0_range=(150.0, 200.0, 300.0))
    >>> 140 < range_of(song.features.f0)[1] < 260
    True
    """
    if not re.search(r"\w", text):
        raise InputError("There is nothing to say; give a text with words.")
    y, sr, _ = speak(text, language=language or guess_language(text), rate=rate)
    song = replace(read_song((y, sr), config=config), source={"text": text})
    if f0_range is None:
        return song
    f0 = song.features.f0
    low, centre, high = range_of(f0)
    wider = np.clip(np.log(f0_range[2] / f0_range[0]) / np.log(high / low), 0.5, 2)
    f0 = np.where(f0 > 0, f0_range[1] * (np.maximum(f0, 1) / centre) ** wider, 0).astype(np.float32)
    return replace(song, features=replace(song.features, f0=f0))


@dataclass
class _Phrase:
    """What is sung in one breath: syllables, each a list of notes; after `lay`, where each moment of it is in the speech."""

    syllables: list

    @property
    def notes(self):
        return [note for syllable in self.syllables for note in syllable]

    def lay(self, phones, offset):
        """Lay the sounds on the notes: `knots` (seconds sung, seconds spoken), between which time runs evenly."""
        phones = [phone for phone in phones if phone.name]
        nuclei = self._nuclei(phones)
        first, last = phones[0].start, phones[-1].end
        onsets, ends = [s[0].start for s in self.syllables], [s[-1].end for s in self.syllables]
        rests = [following - end >= PAUSE for following, end in zip(onsets[1:], ends)]  # inside a word
        until = [end if rest else following for rest, end, following in zip([*rests, False], ends, [*onsets[1:], ends[-1]])]
        self.silences = []
        finals = [syllable[-1].start for syllable in self.syllables]
        lead = min(nuclei[0][0] - first, 0.4)
        if onsets[0] < lead:  # the song begins at once, so that the first consonants take their time from the note
            onsets[0] = min(lead, onsets[0] + 0.5 * (self.syllables[0][0].end - onsets[0]))
        knots = [(max(onsets[0] - lead, 0.0), first)]
        self.vowels = []  # (start, end) sung, (start, end) spoken
        nexts = [start for start, _ in nuclei[1:]] + [last]
        for (start, stop), onset, last_note, end, following in zip(nuclei, onsets, finals, until, nexts):
            room = end - onset - min(following - stop, 0.45 * (end - last_note))  # a short note squeezes its consonants
            length = stop - start
            knots.append((onset, start))
            if room > length:  # hold the vowel's first part, keep the ways in and out
                knots += [(onset + 0.25 * length, start + 0.25 * length), (onset + room - 0.6 * length, start + 0.4 * length)]
            knots.append((onset + room, stop))
            self.vowels.append(((onset, onset + room), (start + offset, stop + offset)))
            k = len(self.vowels)
            if k <= len(rests) and rests[k - 1]:  # the consonants wait for the next syllable
                knots[-1] = (end, stop)
                self.vowels[-1] = ((onset, end), self.vowels[-1][1])
                knots.append((max(end, onsets[k] - (following - stop)) + 0.01, stop + 1e-6))
                self.silences.append((end, knots[-1][0]))
        knots.append((ends[-1], last))
        for a, b in [pair for s in self.syllables for pair in zip(s, s[1:]) if pair[1].start - pair[0].end >= PAUSE]:
            self.silences.append((a.end, b.start))  # a syllable that is held over a rest
        sung, spoken = np.array(knots).T
        keep = np.append(True, np.diff(sung) > 0)
        self.knots = sung[keep], spoken[keep] + offset

    def _nuclei(self, phones):
        """The part of the speech, in seconds, that each syllable is held on."""
        _, spans = _text(self)
        groups = []  # words with their sounds; what eSpeak takes for one word counts as one
        for k, (position, n) in enumerate(spans):
            end = spans[k + 1][0] if k + 1 < len(spans) else np.inf
            own = [phone for phone in phones if position <= phone.position < end]
            if own or not groups:
                groups.append([own, n])
            else:
                groups[-1][1] += n
        if not groups[0][0] and len(groups) > 1:
            groups[1][1] += groups.pop(0)[1]
        return [nucleus for own, n in groups for nucleus in _match(own, n)]

    def gains(self, speech, fps):
        """Seconds sung and dB: what brings every vowel to the same loudness."""
        at, gain = [], []
        for sung, (start, stop) in self.vowels:
            a, b = int(start * fps), max(int(stop * fps), int(start * fps) + 1)
            at += sung
            gain += [-26 - float(np.max(speech.loudness[a : b + 1]))] * 2
        return at, np.clip(gain, -20, 20)

    def dynamics(self, t, velocity):
        """dB: louder with velocity and height, and in an arch over the phrase."""
        notes = self.notes
        level = [20 * np.log10(note.velocity / velocity) + 0.15 * (note.pitch - notes[0].pitch) for note in notes]
        middles = [(note.start + note.end) / 2 for note in notes]
        through = np.clip((t - notes[0].start) / (notes[-1].end - notes[0].start), 0, 1)
        return np.interp(t, middles, level) + 3 * np.sin(np.pi * through**0.8) - 1.5

    def in_vowel(self, t):
        return np.any([(t >= start) & (t < end) for (start, end), _ in self.vowels], axis=0)

    def pitch(self, t, fps, portamento):
        """MIDI pitch: from note to note, as a mass on a spring would go there."""
        notes = self.notes
        step = np.full(len(t), float(notes[0].pitch))
        for note in notes[1:]:
            step[t >= note.start - portamento] = note.pitch
        # the step response is half-way after 1.43 / omega at this damping
        omega = 1.43 / max(portamento, 1e-3)
        b, a = scipy.signal.bilinear([omega**2], [1, 2 * DAMPING * omega, omega**2], fs=fps)
        start = scipy.signal.lfilter_zi(b, a) * step[0]
        glided = scipy.signal.lfilter(b, a, step, zi=start)[0] if portamento > 0 else step
        scoop = 0.5 * np.clip(1 - (t - notes[0].start) / 0.08, 0, 1)
        return glided - scoop

    def vibrato(self, t, depth, rate, delay, rng):
        """Semitones."""
        out = np.zeros(len(t))
        for note in self.notes:
            if note.end - note.start > 2 * delay:
                since = t - note.start
                grow = np.clip((since - delay) / 0.3, 0, 1) * np.clip((note.end - t) / 0.1, 0, 1)
                out += depth * grow * np.sin(2 * np.pi * rate * since + rng.uniform(0, 2 * np.pi)) * (since >= 0)
        return out


def _phrases(notes):
    """Cut at rests, but not inside a word."""
    phrases, syllable = [], []
    for note, before in zip(notes, [None, *notes]):
        inside = note.lyric == HELD or (before is not None and _word_goes_on(syllable))
        if not phrases or (not inside and (note.start - before.end >= PAUSE or len(phrases[-1].syllables) >= BREATH)):
            phrases.append(_Phrase([]))
        if note.lyric != HELD:
            phrases[-1].syllables.append(syllable := [])
        syllable.append(note)
    return phrases


def _word_goes_on(syllable):
    return bool(syllable) and syllable[0].lyric.endswith("-")


def _text(phrase):
    """The words as a text to speak, and for each word where it begins and how many syllables it has."""
    text, spans = "", []
    for syllable, before in zip(phrase.syllables, [None, *phrase.syllables]):
        lyric = unicodedata.normalize("NFC", syllable[0].lyric)
        lyric = "".join(c for c in lyric if c.isalnum() or c in "'’ " or unicodedata.category(c)[0] == "M")  # a comma would make eSpeak pause
        if before is not None and _word_goes_on(before):
            spans[-1] = (spans[-1][0], spans[-1][1] + 1)
        else:
            text += " " if text and not re.match(CHINESE, lyric) else ""
            spans.append((len(text), 1))
        text += lyric
    return text, spans


def _match(phones, n):
    """Spans of `n` vowels in a word: as many as it has if that is right, else the weakest joined or the longest cut."""
    if not phones:
        raise InputError("eSpeak is silent about a part of the lyrics; write it in another way.")
    at = [i for i, phone in enumerate(phones) if phone.vowel] or [int(np.argmax([p.end - p.start for p in phones]))]
    spans = [(phones[i].start, phones[i].end) for i in at]
    while len(spans) > n:  # "flower" on one note: the pair that lies closest becomes one
        i = int(np.argmin([b[1] - a[0] for a, b in zip(spans, spans[1:])]))
        spans[i : i + 2] = [(spans[i][0], spans[i + 1][1])]
    while len(spans) < n:  # more notes than vowels
        i = int(np.argmax([end - start for start, end in spans]))
        start, end = spans[i]
        spans[i : i + 1] = [(start, (start + end) / 2), ((start + end) / 2, end)]
    return spans


def _ramp(since, seconds):
    return np.clip(1 - since / seconds, 0, 1)


def _drift(n, fps, semitones, rng):
    """A slow random walk around zero."""
    if not semitones or n < 4:
        return np.zeros(n)
    b, a = scipy.signal.butter(2, 1.5, fs=fps)
    white = rng.standard_normal(n + int(2 * fps))
    slow = scipy.signal.lfilter(b, a, white)[int(2 * fps) :]
    return semitones * slow / 0.18  # the filter leaves a spread of 0.18 at 100 frames a second


def _breathe(mel, loudness, fps, *, end, seconds, level, like):
    """Breathe in before a phrase."""
    stop = int(end * fps)
    start = max(stop - int(seconds * fps), 0)
    swell = level + 20 * np.log10(np.sin(np.pi * (np.arange(stop - start) + 0.5) / max(stop - start, 1)))
    loudness[start:stop] = swell
    mel[start:stop] = like + swell[:, None] / DECIBELS
