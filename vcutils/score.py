"""Scores: a melody with its words, read from MIDI or MusicXML.

The notation of lyrics, in a text file as in `Note.lyric`: spaces between words; ``-`` between the syllables of a word
("a-las", or "alas": then eSpeak counts them); ``_`` where the syllable before is held over one more note; one phrase a line; an
empty line between verses, each of which is sung to the whole melody if the melody has notes for just one.
"""
import importlib
import re
import warnings
import zipfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vcutils.dsp.audio import check_readable
from vcutils.dsp.speech import CHINESE, guess_language, speak
from vcutils.errors import InputError
from vcutils.files import sha256

SCORE_SUFFIXES = (".mid", ".midi", ".kar", ".musicxml", ".mxl", ".xml")
GRACE = 0.09  # seconds that a grace note takes from the note before it
LEGATO = 0.12  # seconds by which a note may run into the next and still be one melody with it
ROLLED = 0.06  # seconds within which notes begin together
REST = 1.0  # seconds of silence, after which a note without words is no longer a held syllable, but an instrument's
HELD = "_"


@dataclass(frozen=True)
class Note:
    """One note.

    Attributes
    ----------
    start, end : float
        Seconds.
    pitch : int
        MIDI number; 69 is A4.
    velocity : int
        1 to 127; how loud.
    bar : int
        Counted from 1, for messages.
    lyric : str
        Its syllable, with a hyphen at the end if the word goes on; ``_`` if it continues the syllable before it.
    """

    start: float
    end: float
    pitch: int
    velocity: int = 80
    bar: int = 1
    lyric: str = ""


@dataclass(frozen=True)
class Score:
    """A melody with words.

    Attributes
    ----------
    notes : tuple of Note
        One after the other; none begins before the one before it ends.
    language : str
        For `vcutils.dsp.speech.speak`.
    messages : tuple of str
        A sentence for each thing that was decided while reading.
    source : dict or None
        Name and SHA-256 of the file it was read from.
    """

    notes: tuple
    language: str
    messages: tuple = ()
    source: dict | None = None

    @property
    def words(self):
        """All lyrics as one text, such as "a-las my love"."""
        return "".join("" if note.lyric == HELD else note.lyric if note.lyric.endswith("-") else note.lyric + " " for note in self.notes).strip()


def read_score(path, *, lyrics=None, language=None, track=None):
    """Read a melody and its words.

    Of a polyphonic track the top voice is taken.

    Parameters
    ----------
    path : str or Path
        MIDI (.mid, .midi, .kar) or MusicXML (.musicxml, .mxl, .xml).
    lyrics : str or Path, optional
        A text file in UTF-8, see above. Default: the words in the score.
    language : str, optional
        For `vcutils.dsp.speech.speak`. Default: by the script of the lyrics, English for Latin letters.
    track : int or str, optional
        Which track or part, by number from 1 or name. Default: the one that has the words, else the first that is no drum.

    Returns
    -------
    Score

    Raises
    ------
    InputError
        If a file cannot be read, holds no notes, has no words, or notes and syllables do not match.

    Examples
    --------
    >>> from vcutils.demo import demo_score
    >>> melody, words, _ = demo_score("greensleeves")
    >>> score = read_score(melody, lyrics=words)
    >>> score.notes[0].lyric, score.notes[0].pitch
    ('a-', 52)
    """
    path = Path(path)
    check_readable(path)
    if path.suffix.lower() not in SCORE_SUFFIXES:
        raise InputError(f"{path} is no score that can be read; give one that ends in {', '.join(SCORE_SUFFIXES)}.")
    reader = _read_midi if path.suffix.lower() in (".mid", ".midi", ".kar") else _read_musicxml
    notes, messages = reader(path, track, words=lyrics is None)
    if lyrics is not None:
        verses = read_lyrics(lyrics)
        language = language or guess_language(" ".join(" ".join(verse) for verse in verses))
        notes = _lay_under(verses, notes, language, Path(lyrics).name)
    elif not any(note.lyric for note in notes):
        raise InputError(f"{path} holds no words; write them in a text file and give it as the lyrics.")
    elif not language:
        language = guess_language(" ".join(note.lyric for note in notes))
    held = _hold(notes)
    if lyrics is None and len(held) < len(notes):
        messages.append(f"Notes left out, as they come before the first words or after a rest and have none of their own: {len(notes) - len(held)}.")
    return Score(tuple(held), language, tuple(messages), {"file": path.name, "sha256": sha256(path)})


def read_lyrics(path):
    """Read a text file of lyrics.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    list of list of str
        The lines of each verse.

    Raises
    ------
    InputError
        If it is not UTF-8 text or has no words.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "song.txt"
    >>> _ = path.write_text("a-las my love\\nyou do me wrong\\n\\nsec-ond verse")
    >>> read_lyrics(path)
    [['a-las my love', 'you do me wrong'], ['sec-ond verse']]
    """
    path = Path(path)
    check_readable(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8 (byte {error.start + 1} does not fit); open it in an editor and save it with the encoding UTF-8.") from error
    blocks = [[line.strip() for line in block.splitlines() if re.search(r"\w", line)] for block in re.split(r"\n\s*\n", text.replace("\r", ""))]
    verses = [block for block in blocks if block]
    if not verses:
        raise InputError(f"{path} holds no words; write the lyrics into it, one phrase a line.")
    return verses


def syllables(text, language):
    """Cut a line of lyrics into syllables, one for each note.

    Parameters
    ----------
    text : str
        See the module's first lines. Each Chinese character is a syllable.
    language : str
        For `vcutils.dsp.speech.speak`, which counts the vowels of words that are written without hyphens.

    Returns
    -------
    list of str
        Each with a hyphen at the end if the word goes on; ``_`` for a note on which the one before is held.

    Examples
    --------
    >>> syllables("a-las my _ love", "en-us")
    ['a-', 'las', 'my', '_', 'love']
    >>> syllables("长亭外", "cmn")
    ['长', '亭', '外']
    """
    found = []
    text = re.sub(r"[—–…]|\.\.\.", " ", text)
    chinese = not language.startswith("ja")
    for word in (re.sub(f"({CHINESE})", r" \1 ", text) if chinese else text).split():
        pieces = [piece for piece in word.split("-") if re.search(r"\w", piece)]
        last = max((i for i, piece in enumerate(pieces) if piece.strip("_")), default=-1)  # with letters
        for i, piece in enumerate(pieces):
            letters, held = piece.rstrip("_"), len(piece) - len(piece.rstrip("_"))
            if letters and last == 0 and not (chinese and re.search(CHINESE, word)):  # a word without hyphens
                n = max(1, sum(phone.vowel for phone in speak(letters, language=language)[2]))
                *whole, letters = _cut(letters, n)
                found += [part + "-" for part in whole]
                held += n - len(whole) - 1  # "W" has three syllables and one letter
            if letters:
                found.append(letters + "-" * (i < last or word.rstrip("_").endswith("-")))
            found += [HELD] * held
    return found


def _cut(word, n):
    """A word in `n` pieces, or as many as it has letters: cut after groups of vowel letters as far as there are some, else evenly."""
    ends = [match.end() for match in re.finditer(r"[aeiouyäöüáéíóúàèìòùâêîôûæøå]+", word, re.IGNORECASE)][: n - 1]
    if len(ends) < n - 1 or (ends and ends[-1] == len(word)):
        n = min(n, len(word))
        ends = [round(len(word) * i / n) for i in range(1, n)]
    return [word[a:b] for a, b in zip([0, *ends], [*ends, len(word)])]


def _lay_under(verses, notes, language, name):
    """Give each note its syllable; repeat the melody for each verse if it has notes for just one."""
    cut = [[syllables(line, language) for line in verse] for verse in verses]
    counts = [sum(map(len, verse)) for verse in cut]
    if sum(counts) != len(notes) and len(verses) > 1 and counts[0] == len(notes):
        bars = max(note.bar for note in notes)
        length = _until_next_bar(notes)
        notes = [replace(n, start=n.start + i * length, end=n.end + i * length, bar=n.bar + i * bars) for i in range(len(verses)) for n in notes]
    flat = [(syllable, v + 1, line) for v, verse in enumerate(cut) for line, row in zip(verses[v], verse) for syllable in row]
    if len(flat) > len(notes):
        syllable, verse, line = flat[len(notes)]
        raise InputError(
            f"{name} has {len(flat)} syllables for {len(notes)} notes: after the last note, in bar {notes[-1].bar}, "
            f"'{syllable.strip('-')}' of verse {verse}, '{line}', and {len(flat) - len(notes) - 1} more are left over; "
            "compare line by line, and write a-las to say where a word is cut."
        )
    if len(flat) < len(notes):
        raise InputError(
            f"{name} has {len(flat)} syllables for {len(notes)} notes: after '{flat[-1][0].strip('-')}', the last syllable, the notes "
            f"from bar {notes[len(flat)].bar} on have none; write _ where a syllable is held over one more note."
        )
    return [replace(note, lyric=syllable) for note, (syllable, *_) in zip(notes, flat)]


def _until_next_bar(notes):
    """Seconds after which the melody can begin again so that its bars go on regularly."""
    starts = {}
    for note in notes:
        starts.setdefault(note.bar, note.start)
    bars = sorted(starts)
    gaps = [(starts[b] - starts[a]) / (b - a) for a, b in zip(bars[1:], bars[2:])] or [notes[-1].end - notes[0].start]
    bar = float(np.median(gaps))
    return float(np.ceil((notes[-1].end - notes[0].start) / bar - 1e-3) * bar)


def _hold(notes):
    """A note without a syllable holds the one before it, but not over a long rest; before the first syllable there is nothing to hold."""
    held = []
    for note in notes:
        if note.lyric or (held and note.start - held[-1].end < REST):
            held.append(replace(note, lyric=note.lyric or HELD))
    first = next((i for i, note in enumerate(held) if note.lyric != HELD), None)
    if first is None:
        raise InputError("No note has a syllable; the lyrics hold no words.")
    return held[first:]


def _top_voice(notes):
    """The highest voice, one note at a time, and whether anything had to go."""
    kept, dropped = [], False
    for note in sorted(notes, key=lambda note: (note.start, -note.pitch)):
        last = kept[-1] if kept else None
        if last is None or note.start >= last.end:
            kept.append(note)
            continue
        together = note.start < last.start + ROLLED
        if together or last.end - note.start > LEGATO:
            dropped = True
            if note.pitch < last.pitch or (together and note.pitch == last.pitch):  # hidden under a higher note
                kept[-1] = replace(last, lyric=last.lyric or note.lyric * together)
                continue
        if together:
            kept[-1] = replace(note, start=last.start, lyric=note.lyric or last.lyric)
        else:
            kept[-1] = replace(last, end=note.start)
            kept.append(note)
    return kept, dropped


def _pick(tracks, track, default, path):
    """The track that was asked for, by number or name."""
    if track is None:
        return default
    for i, name in enumerate(tracks):
        if str(track) == str(i + 1) or str(track).lower() == name.lower():
            return i
    known = ", ".join(f"{i + 1} '{name}'" for i, name in enumerate(tracks))
    raise InputError(f"{path} has no track '{track}'; choose one of: {known}.")


def _optional(package):
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise InputError(f'Reading scores needs the package {package}; install it with: pip install "vcutils[score]"') from error


def _read_midi(path, track, words):
    pretty_midi = _optional("pretty_midi")

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tempo changes off the first track, which are heeded
            midi = pretty_midi.PrettyMIDI(str(path))
    except Exception as error:  # pretty_midi and mido raise errors of many kinds
        raise InputError(f"{path} is damaged or not a MIDI file; export it again.") from error
    tracks = _whole_tracks([instrument for instrument in midi.instruments if instrument.notes and not instrument.is_drum])
    if not tracks:
        raise InputError(f"{path} holds no notes; export the melody as MIDI again.")
    events = _midi_words(midi, path) if words else []
    names = [instrument.name.strip() or f"track {i + 1}" for i, instrument in enumerate(tracks)]
    said = np.array([time for time, _ in events])

    def fit(instrument):  # how many of the words begin with one of its notes
        return sum(np.abs(said - note.start).min() < 0.03 for note in instrument.notes) / len(instrument.notes) if len(said) else 0

    chosen = _pick(names, track, int(np.argmax([fit(instrument) for instrument in tracks])), path)
    downbeats = midi.get_downbeats()
    notes = [
        Note(float(n.start), float(n.end), n.pitch, n.velocity, int(np.searchsorted(downbeats, n.start + 0.01)) or 1) for n in tracks[chosen].notes
    ]
    notes, polyphonic = _top_voice(notes)
    messages = [f"Track {chosen + 1} of {len(tracks)}, '{names[chosen]}', is sung; `--track` chooses another."] if len(tracks) > 1 else []
    if polyphonic:
        messages.append(f"The track '{names[chosen]}' has several notes at once; its top voice is sung.")
    for time, syllable in events:
        i = int(np.argmin([abs(note.start - time) for note in notes]))
        if abs(notes[i].start - time) > 0.1:
            raise InputError(f"In {path}, no note begins at the syllable '{syllable}' (at {time:.2f} s, bar {int(np.searchsorted(downbeats, time + 0.01))}); choose another track, or give the lyrics as a file.")
        before = notes[i].lyric
        notes[i] = replace(notes[i], lyric=before.rstrip("-") + syllable if before.endswith("-") else f"{before} {syllable}".strip())
    return notes, messages


def _whole_tracks(instruments):
    """Where a track changes its instrument, pretty_midi makes two of it; here they become one again."""
    whole = []
    for instrument in instruments:
        same = next((w for w in whole if w.name.strip() and w.name == instrument.name and not _overlap(w.notes, instrument.notes)), None)
        if same:
            same.notes = sorted(same.notes + instrument.notes, key=lambda note: note.start)
        else:
            whole.append(instrument)
    return whole


def _overlap(notes, others):
    return any(a.start < b.end - 0.05 and b.start < a.end - 0.05 for a in notes for b in others)


def _midi_words(midi, path):
    """Lyric events, or the text events of a karaoke file, as (time, syllable)."""
    events = [(event.time, event.text) for event in midi.lyrics]
    if not events:
        events = [(event.time, event.text) for event in midi.text_events if not event.text.startswith("@")]
        events = events if len(events) > 3 else []  # else it is a remark
    try:  # MIDI does not say which encoding; most newer files have UTF-8
        events = [(time, text.encode("latin-1").decode("utf-8")) for time, text in events]
    except UnicodeError as error:  # older ones that of Western Windows, in which few of these bytes are letters
        if any(re.search(r"[\x80-\x84\x86-\x90\x98-\x9f]", text) for _, text in events):
            raise InputError(f"The words in {path} are not in UTF-8; write them in a text file and give it as the lyrics.") from error
        events = [(time, text.encode("latin-1").decode("cp1252")) for time, text in events]
    spaced = any(re.search(r"\S\s", text) or re.match(r"[\s/\\]", text) for _, text in events[1:])
    out = []
    for (time, text), following in zip(events, [text for _, text in events[1:]] + [" "]):
        syllable = re.sub(r"[\s/\\]", "", text)
        goes_on = syllable.endswith("-") or (spaced and not re.search(r"\s$", text) and not re.match(r"[\s/\\]", following))
        if re.search(r"\w", syllable) and not re.search(CHINESE, syllable):
            out.append((time, syllable.strip("-") + ("-" if goes_on else "")))
        elif re.search(r"\w", syllable):
            out.append((time, syllable))
    return out


def _read_musicxml(path, track, words):
    music21 = _optional("music21")

    try:
        data = zipfile.ZipFile(path) if path.suffix.lower() == ".mxl" else None
        if data is not None:
            inside = next(name for name in data.namelist() if name.endswith((".xml", ".musicxml")) and not name.startswith("META-INF"))
            xml = data.read(inside)
        else:
            xml = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importer = music21.musicxml.xmlToM21.MusicXMLImporter()  # not converter.parse, which keeps pickles
            importer.xmlText = xml
            importer.parseXMLText()
            parts = list(importer.stream.parts)
    except Exception as error:  # music21 raises errors of many kinds
        raise InputError(f"{path} is damaged or not MusicXML; export it again from your notation program.") from error
    parts = [part for part in parts if _sung(part, music21)]
    if not parts:
        raise InputError(f"{path} holds no notes; export the melody as MusicXML again.")
    names = [(part.partName or f"part {i + 1}").strip() for i, part in enumerate(parts)]
    default = next((i for i, part in enumerate(parts) if any(note.lyrics for note in _sung(part, music21))), 0)
    chosen = _pick(names, track, default, path)
    messages = [f"Part {chosen + 1} of {len(parts)}, '{names[chosen]}', is sung; `--track` chooses another."] if len(parts) > 1 else []
    try:
        notes, polyphonic, left_over = _from_music21(parts[chosen].toSoundingPitch(), importer.stream, music21, words)
    except music21.repeat.ExpanderException as error:
        raise InputError(f"The repeats and jumps in {path} lead nowhere; write them out in your notation program and export it again.") from error
    if polyphonic:
        messages.append(f"The part '{names[chosen]}' has several notes at once; its top voice is sung.")
    if left_over:
        messages.append(f"There are words for more verses than the repeats play; {left_over} not sung. Without repeats, each verse is sung.")
    return notes, messages


def _sung(stream, music21):
    """Notes and chords with a pitch: no drums, and no names of chords for a guitar."""
    return [note for note in stream.recurse().notes if note.pitches and not isinstance(note, music21.harmony.Harmony)]


def _from_music21(part, whole, music21, words):
    """The notes of a part in seconds, repeats and verses played; whether some had to go, and which verses are not sung."""
    measures = list(part.getElementsByClass("Measure"))
    begins = [float(measure.offset) for measure in measures] + [float(part.highestTime)]
    numbers = sorted({lyric.number for note in _sung(part, music21) for lyric in note.lyrics}) if words else []
    places = _repeated(part, measures, music21) or list(range(len(measures))) * max(1, len(numbers))
    seconds, clock, times = _seconds(whole, music21), 0.0, Counter()  # how often each measure has come
    notes = []
    for place in places:
        own = _sung(measures[place], music21)
        number = _verse(own, numbers, times[place])
        for element in own:
            at = begins[place] + float(element.getOffsetInHierarchy(measures[place]))
            start, end = (clock + seconds(quarters) - seconds(begins[place]) for quarters in (at, at + float(element.quarterLength)))
            tied = element.tie is not None and element.tie.type in ("continue", "stop")
            velocity = max(1, round(127 * element.volume.realized))
            pitch = int(max(p.midi for p in element.pitches))
            lyric = _musicxml_lyric(element, number) if words else ""
            notes.append((Note(start, end, pitch, velocity, measures[place].number, lyric), tied, element.duration.isGrace, len(element.pitches) > 1))
        times[place] += 1
        clock += seconds(begins[place + 1]) - seconds(begins[place])
    silent = numbers[max(times.values()) :]
    left_over = f"verse{'s' * (len(silent) > 1)} {' and '.join(map(str, silent))} {'are' if len(silent) > 1 else 'is'}" if silent else ""
    chords = any(chord for *_, chord in notes)
    joined = []
    for note, tied, grace, _ in notes:
        last = next((i for i in range(len(joined) - 1, -1, -1) if abs(joined[i].end - note.start) < 1e-6 and joined[i].pitch == note.pitch), None) if tied else None
        if last is not None:
            joined[last] = replace(joined[last], end=note.end)
        else:
            joined.append(replace(note, end=note.start) if grace else note)
    kept, dropped = _top_voice([note for note in joined if note.end > note.start])
    return _place_graces(kept, [note for note in joined if note.end <= note.start]), chords or dropped, left_over


def _repeated(part, measures, music21):
    """The measures as they are played, by their place in the part; nothing if there are no repeats or jumps."""
    if not part.recurse().getElementsByClass("RepeatMark"):
        return []
    signs = [(getattr(m.leftBarline, "direction", None) == "start", getattr(m.rightBarline, "direction", None) == "end") for m in measures]
    for i in range(1, len(measures)):
        following = next((ends for starts, ends in signs[i:] if starts or ends), False)
        if signs[i - 1][1] and following and not signs[i][0] and not part.recurse().getElementsByClass("RepeatBracket"):
            measures[i].leftBarline = music21.bar.Repeat(direction="start")  # A :| B :| is A A B B
    for place, measure in enumerate(measures):
        measure.editorial.place = place
    return [measure.editorial.place for measure in part.expandRepeats().getElementsByClass("Measure")]


def _verse(notes, numbers, turn):
    """Which verse is sung in a measure that comes for the `turn`-th time: the next one, or the only one that has words there."""
    here = {lyric.number for note in notes for lyric in note.lyrics}
    wanted = numbers[min(turn, len(numbers) - 1)] if numbers else None
    return wanted if wanted in here or len(here) != 1 else here.pop()


def _place_graces(notes, graces):
    """Grace notes come just before the note that they adorn, and take its syllable."""
    for i, note in reversed(list(enumerate(notes))):
        own = [grace for grace in graces if abs(grace.start - note.start) < 1e-6]
        if not own:
            continue
        earliest = notes[i - 1].start + (notes[i - 1].end - notes[i - 1].start) / 2 if i else note.start - GRACE * len(own)
        each = min(GRACE, (note.start - earliest) / len(own))
        lyric = note.lyric or next((grace.lyric for grace in own if grace.lyric), "")
        small = [replace(grace, start=note.start - (len(own) - k) * each, end=note.start - (len(own) - k - 1) * each, lyric="") for k, grace in enumerate(own)]
        small[0] = replace(small[0], lyric=lyric)
        notes[i : i + 1] = [*small, replace(note, lyric="")]
        if i:
            notes[i - 1] = replace(notes[i - 1], end=min(notes[i - 1].end, small[0].start))
    return notes


def _musicxml_lyric(element, number):
    lyric = next((lyric for lyric in element.lyrics if lyric.number == number), None)
    if lyric is None or not re.search(r"\w", lyric.text or ""):
        return ""
    return lyric.text.replace("\u203f", " ").strip("-") + ("-" if lyric.syllabic in ("begin", "middle") else "")


def _seconds(stream, music21):
    """A function from quarter notes to seconds, by the tempo marks; 120 a minute until the first."""
    marks = sorted((float(mark.getOffsetInHierarchy(stream)), mark.getQuarterBPM()) for mark in stream.recurse().getElementsByClass(music21.tempo.MetronomeMark))
    marks = [(at, bpm) for at, bpm in marks if bpm] or [(0.0, 120.0)]
    ats, bpms = [0.0], [marks[0][1] if marks[0][0] == 0 else 120.0]
    for at, bpm in marks:
        if at == ats[-1]:
            bpms[-1] = bpm
        else:
            ats.append(at)
            bpms.append(bpm)
    times = np.concatenate([[0.0], np.cumsum(np.diff(ats) * 60 / np.array(bpms[:-1]))])

    def seconds(quarters):
        i = int(np.searchsorted(ats, float(quarters), side="right")) - 1
        return float(times[i] + (float(quarters) - ats[i]) * 60 / bpms[i])

    return seconds
