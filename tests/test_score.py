"""Scores: what MIDI, MusicXML and lyrics say, and what is said when they do not fit together."""
import csv
import zipfile

import pytest

pretty_midi = pytest.importorskip("pretty_midi")
pytest.importorskip("espeakng_loader")
pytest.importorskip("music21")

from vcutils.demo import DEMO_SCORES, demo_score, demo_song
from vcutils.errors import InputError
from vcutils.score import read_lyrics, read_score, syllables


def midi_file(path, notes, *, words=(), texts=(), tempi=((0, 120),), drums=(), name="melody"):
    """A MIDI file. `notes`: (pitch, start, end) in seconds, or several such lists for several tracks."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=tempi[0][1])
    for i, track in enumerate(notes if notes and isinstance(notes[0], list) else [notes]):
        instrument = pretty_midi.Instrument(0, name=name if i == 0 else f"{name} {i + 1}")
        instrument.notes = [pretty_midi.Note(80, *note) for note in track]
        midi.instruments.append(instrument)
    if drums:
        midi.instruments.insert(0, pretty_midi.Instrument(0, is_drum=True, name="drums"))
        midi.instruments[0].notes = [pretty_midi.Note(80, *note) for note in drums]
    midi.lyrics = [pretty_midi.Lyric(word.encode().decode("latin-1"), time) for time, word in words]
    midi.text_events = [pretty_midi.Text(word, time) for time, word in texts]
    midi.write(str(path))
    return path


SCALE = [(60 + 2 * i, 0.5 * i, 0.5 * i + 0.5) for i in range(4)]


def text_file(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def lyrics_of(score):
    return [note.lyric for note in score.notes]


@pytest.mark.parametrize("name", DEMO_SCORES)
def test_demo_scores_are_whole(name):
    melody, words, _ = demo_score(name)
    score = read_score(melody, lyrics=words, language={"ode_to_joy": "de"}.get(name))
    assert score.language == {"greensleeves": "en-us", "ode_to_joy": "de", "songbie": "cmn"}[name]
    assert all(a.end <= b.start + 1e-6 for a, b in zip(score.notes, score.notes[1:]))
    assert score.messages == ()


def test_the_demo_score_has_the_notes_of_the_demo_song():
    melody, words, _ = demo_score("greensleeves")
    with open(demo_song()[0].with_name("greensleeves_notes.csv"), newline="") as f:
        rows = list(csv.DictReader(f))
    score = read_score(melody, lyrics=words)
    assert len(score.notes) == len(rows)
    for note, row in zip(score.notes, rows):
        assert note.start == pytest.approx(float(row["start"]), abs=0.002)  # a MIDI tick lasts a third of a millisecond
        assert note.pitch == int(row["midi"])
        assert note.lyric.strip("-") == ("_" if row["syllable"] == "-" else row["syllable"])


def test_syllables():
    assert syllables("de-light-_ ing in your com-pa-ny", "en-us") == ["de-", "light-", "_", "ing", "in", "your", "com-", "pa-", "ny"]
    assert [s.strip("-") for s in syllables("Kaffee trinken", "de")] == ["Ka", "ffee", "tri", "nken"]
    assert len(syllables("beautiful morning", "en-us")) == 5
    assert syllables("古道边，", "cmn") == ["古", "道", "边"]


def test_words_in_the_midi_file(tmp_path):
    words = [(0.0, "Twin-"), (0.5, "kle"), (1.0, "star")]
    score = read_score(midi_file(tmp_path / "a.mid", SCALE, words=words))
    assert lyrics_of(score) == ["Twin-", "kle", "star", "_"]
    assert score.words == "Twin-kle star"


def test_karaoke_words_end_with_a_space(tmp_path):
    words = [(0.0, "@TTitle"), (0.0, "\\Twin"), (0.5, "kle "), (1.0, "lit"), (1.5, "tle")]
    score = read_score(midi_file(tmp_path / "a.kar", SCALE, texts=words))
    assert lyrics_of(score) == ["Twin-", "kle", "lit-", "tle"]


def test_words_in_utf8_and_in_latin1(tmp_path):
    assert lyrics_of(read_score(midi_file(tmp_path / "a.mid", SCALE[:2], words=[(0, "schön"), (0.5, "长")])))[0] == "schön"
    midi = pretty_midi.PrettyMIDI(str(midi_file(tmp_path / "b.mid", SCALE[:2])))
    midi.lyrics = [pretty_midi.Lyric("schön", 0)]  # written as Latin-1
    midi.write(str(tmp_path / "b.mid"))
    assert lyrics_of(read_score(tmp_path / "b.mid")) == ["schön", "_"]


def test_each_verse_is_sung_to_the_melody(tmp_path):
    melody = midi_file(tmp_path / "a.mid", SCALE)
    score = read_score(melody, lyrics=text_file(tmp_path / "a.txt", "one two three four\n\nfive six se-ven"))
    assert lyrics_of(score) == "one two three four five six se- ven".split()
    assert [note.pitch for note in score.notes] == [60, 62, 64, 66] * 2
    assert score.notes[4].start == pytest.approx(2.0) and score.notes[4].bar == 2


def test_verses_that_the_melody_has_notes_for(tmp_path):
    melody = midi_file(tmp_path / "a.mid", SCALE)
    score = read_score(melody, lyrics=text_file(tmp_path / "a.txt", "one two\n\nthree four"))
    assert lyrics_of(score) == ["one", "two", "three", "four"]


def test_tempo_changes(tmp_path):
    midi = pretty_midi.PrettyMIDI(str(midi_file(tmp_path / "a.mid", SCALE)), resolution=220)
    midi.adjust_times([0, 1, 2], [0, 1, 3])  # the second half at half the tempo
    midi.write(str(tmp_path / "a.mid"))
    score = read_score(tmp_path / "a.mid", lyrics=text_file(tmp_path / "a.txt", "a b c d"))
    assert [note.start for note in score.notes] == pytest.approx([0, 0.5, 1, 2], abs=0.005)


def test_too_many_syllables(tmp_path):
    with pytest.raises(InputError, match=r"6 syllables for 4 notes.*bar 1, 'five' of verse 1, 'four five', and 1 more"):
        read_score(midi_file(tmp_path / "a.mid", SCALE), lyrics=text_file(tmp_path / "a.txt", "one two three\nfour five six".replace(" six", "\nsix")))


def test_too_few_syllables(tmp_path):
    with pytest.raises(InputError, match=r"2 syllables for 4 notes: after 'two'.*from bar 1 on have none; write _"):
        read_score(midi_file(tmp_path / "a.mid", SCALE), lyrics=text_file(tmp_path / "a.txt", "one two"))


def test_of_several_notes_the_top_one_is_sung(tmp_path):
    chords = [note for pitch, start, end in SCALE for note in ((pitch, start, end), (pitch - 12, start, end), (pitch - 5, start, end))]
    score = read_score(midi_file(tmp_path / "a.mid", chords), lyrics=text_file(tmp_path / "a.txt", "a b c d"))
    assert [note.pitch for note in score.notes] == [60, 62, 64, 66]
    assert "top voice" in score.messages[0]


def test_a_long_low_note_ends_where_the_melody_goes_on(tmp_path):
    score = read_score(midi_file(tmp_path / "a.mid", [(60, 0, 2), (72, 1, 2)]), lyrics=text_file(tmp_path / "a.txt", "a b"))
    assert [(note.pitch, note.end) for note in score.notes] == [(60, pytest.approx(1)), (72, pytest.approx(2))]


def test_the_track_with_the_words_is_sung_and_another_can_be_chosen(tmp_path):
    other = [(40, 0.25, 1.0), (41, 1.25, 2.0)]
    path = midi_file(tmp_path / "a.mid", [other, SCALE], words=[(note[1], "la") for note in SCALE], drums=[(36, 0, 1)])
    score = read_score(path)
    assert [note.pitch for note in score.notes] == [60, 62, 64, 66] and "Track 2 of 2" in score.messages[0]
    chosen = read_score(path, lyrics=text_file(tmp_path / "a.txt", "la la"), track=1)
    assert [note.pitch for note in chosen.notes] == [40, 41]
    assert chosen.notes == read_score(path, lyrics=tmp_path / "a.txt", track="Melody").notes
    with pytest.raises(InputError, match="no track 'bass'; choose one of: 1 'melody', 2 'melody 2'"):
        read_score(path, track="bass")


def test_words_that_fit_no_note(tmp_path):
    with pytest.raises(InputError, match="no note begins at the syllable 'late'"):
        read_score(midi_file(tmp_path / "a.mid", SCALE, words=[(0, "on"), (1.25, "late")]))


BAD = {
    "damaged.mid": (b"MThd\0\0\0\6\0\1", "damaged or not a MIDI"),
    "text.mid": (b"this is no music", "damaged or not a MIDI"),
    "damaged.musicxml": (b"<score-partwise><part", "damaged or not MusicXML"),
    "other.xml": (b"<html></html>", "holds no notes|damaged or not MusicXML"),
    "damaged.mxl": (b"PK\3\4nothing", "damaged or not MusicXML"),
    "empty.mid": (b"", "is empty"),
    "song.pdf": (b"%PDF", "no score that can be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_scores(tmp_path, name):
    content, sentence = BAD[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=sentence) as caught:
        read_score(tmp_path / name)
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_a_score_without_notes_or_words(tmp_path):
    with pytest.raises(InputError, match="holds no notes"):
        read_score(midi_file(tmp_path / "a.mid", [], drums=[(36, 0, 1)]))
    with pytest.raises(InputError, match="holds no words; write them in a text file"):
        read_score(midi_file(tmp_path / "b.mid", SCALE))


def test_bad_lyrics(tmp_path):
    (tmp_path / "a.txt").write_bytes("长亭外".encode("gb18030"))
    with pytest.raises(InputError, match="a.txt is not text in UTF-8 .*save it with the encoding UTF-8"):
        read_lyrics(tmp_path / "a.txt")
    (tmp_path / "b.txt").write_bytes("\ufeffa love".encode())  # as Windows' Notepad writes it
    assert read_lyrics(tmp_path / "b.txt") == [["a love"]]
    with pytest.raises(InputError, match="holds no words"):
        read_lyrics(text_file(tmp_path / "c.txt", " \n -- \n"))


def xml_note(step, octave, duration, *, lyric=None, more="", before="", second=None):
    words = "".join(
        f'<lyric number="{n}"><syllabic>{"begin" if w.endswith("-") else "single"}</syllabic><text>{w.strip("-")}</text></lyric>'
        for n, w in ((1, lyric), (2, second))
        if w
    )
    length = f"<duration>{duration}</duration>" if duration else ""
    return f"<note>{before}<pitch><step>{step}</step><octave>{octave}</octave></pitch>{length}{more}{words}</note>"


def xml_score(path, measures, *, tempo=60):
    """`measures`: the content of each; 12 divisions a quarter."""
    first = f'<attributes><divisions>12</divisions><time><beats>4</beats><beat-type>4</beat-type></time></attributes><direction><sound tempo="{tempo}"/></direction>'
    body = "".join(f'<measure number="{i}">{first if i == 1 else ""}{measure}</measure>' for i, measure in enumerate(measures, 1))
    xml = f'<?xml version="1.0" encoding="UTF-8"?><score-partwise version="4.0"><part-list><score-part id="P1"><part-name>Voice</part-name></score-part></part-list><part id="P1">{body}</part></score-partwise>'
    path.write_text(xml, encoding="utf-8")
    return path


def test_musicxml_ties_triplets_rests_and_melisma(tmp_path):
    tie = '<tie type="start"/>', '<tie type="stop"/>'
    measures = [
        xml_note("C", 4, 12, lyric="be-") + xml_note("D", 4, 4, lyric="gin") + xml_note("E", 4, 4) + xml_note("F", 4, 4)
        + "<note><rest/><duration>12</duration></note>" + xml_note("G", 4, 12, lyric="now", more=tie[0]),
        xml_note("G", 4, 24, more=tie[1]) + "<note><rest/><duration>24</duration></note>",
    ]  # fmt: skip
    score = read_score(xml_score(tmp_path / "a.musicxml", measures))
    assert lyrics_of(score) == ["be-", "gin", "_", "_", "now"]
    assert [note.pitch for note in score.notes] == [60, 62, 64, 65, 67]
    assert [note.start for note in score.notes] == pytest.approx([0, 1, 4 / 3, 5 / 3, 3])
    assert score.notes[-1].end == pytest.approx(6)


def test_musicxml_tempo_change(tmp_path):
    measures = [xml_note("C", 4, 48, lyric="slow"), '<direction><sound tempo="120"/></direction>' + xml_note("D", 4, 48, lyric="fast")]
    score = read_score(xml_score(tmp_path / "a.musicxml", measures))
    assert [(note.start, note.end) for note in score.notes] == [(0, pytest.approx(4)), (pytest.approx(4), pytest.approx(6))]


def test_musicxml_grace_notes_come_before_the_beat(tmp_path):
    measures = [xml_note("C", 4, 24, lyric="one") + xml_note("E", 4, 0, before="<grace/>") + xml_note("D", 4, 24, lyric="two")]
    score = read_score(xml_score(tmp_path / "a.musicxml", measures))
    assert lyrics_of(score) == ["one", "two", "_"]
    assert [note.pitch for note in score.notes] == [60, 64, 62]
    assert score.notes[2].start == pytest.approx(2) and 1.8 < score.notes[1].start < 2
    assert score.notes[0].end == pytest.approx(score.notes[1].start)


def test_musicxml_repeats_sing_the_next_verse(tmp_path):
    repeat = '<barline location="right"><repeat direction="backward"/></barline>'
    measures = [xml_note("C", 4, 24, lyric="one", second="three") + xml_note("D", 4, 24, lyric="two", second="four") + repeat, xml_note("E", 4, 48, lyric="end")]
    score = read_score(xml_score(tmp_path / "a.musicxml", measures))
    assert lyrics_of(score) == ["one", "two", "three", "four", "end"]
    assert [note.start for note in score.notes] == pytest.approx([0, 2, 4, 6, 8])


def test_musicxml_verses_without_repeats_follow_each_other(tmp_path):
    measures = [xml_note("C", 4, 24, lyric="one", second="three") + xml_note("D", 4, 24, lyric="two", second="four")]
    score = read_score(xml_score(tmp_path / "a.musicxml", measures))
    assert lyrics_of(score) == ["one", "two", "three", "four"]
    assert score.notes[2].start == pytest.approx(4)


def test_musicxml_chords_and_zipped(tmp_path):
    chord = xml_note("C", 4, 24, lyric="one") + xml_note("G", 4, 24, before="<chord/>") + xml_note("D", 4, 24, lyric="two")
    plain = xml_score(tmp_path / "a.musicxml", [chord])
    with zipfile.ZipFile(tmp_path / "a.mxl", "w") as f:
        f.writestr("META-INF/container.xml", "<container/>")
        f.write(plain, "score.musicxml")
    for path in (plain, tmp_path / "a.mxl"):
        score = read_score(path)
        assert [note.pitch for note in score.notes] == [67, 62] and lyrics_of(score) == ["one", "two"]
        assert "top voice" in score.messages[0]


START = '<barline location="left"><repeat direction="forward"/></barline>'
END = '<barline location="right"><repeat direction="backward"/></barline>'


def volta(numbers, content, *, ends=True):
    left, right = (f'<barline location="{side}"><ending number="{numbers}" type="{kind}"/>{{}}</barline>' for side, kind in (("left", "start"), ("right", "stop")))
    return left.format("") + content + right.format('<repeat direction="backward"/>' if ends else "")


def test_musicxml_words_under_the_second_ending_are_sung_whatever_their_number(tmp_path):
    measures = [
        START + xml_note("C", 4, 48, lyric="one", second="three"),
        volta("1", xml_note("D", 4, 48, lyric="two")),
        volta("2", xml_note("E", 4, 48, second="four"), ends=False),
    ]
    assert lyrics_of(read_score(xml_score(tmp_path / "a.musicxml", measures))) == ["one", "two", "three", "four"]


def test_musicxml_a_syllable_held_in_the_second_verse_is_not_filled_with_the_first_verses(tmp_path):
    bar = xml_note("C", 4, 16, lyric="a-", second="love") + xml_note("D", 4, 16, lyric="las") + xml_note("E", 4, 16, lyric="my", second="you")
    assert lyrics_of(read_score(xml_score(tmp_path / "a.musicxml", [bar]))) == ["a-", "las", "my", "love", "_", "you"]


def test_musicxml_a_repeat_without_a_forward_sign_begins_after_the_last(tmp_path):
    measures = [xml_note(step, 4, 48, lyric="la") + END for step in "CD"]
    assert [note.pitch for note in read_score(xml_score(tmp_path / "a.musicxml", measures)).notes] == [60, 60, 62, 62]


def test_musicxml_a_bar_that_a_repeat_sign_cuts_in_two(tmp_path):
    halves = xml_note("C", 4, 24, lyric="one", second="four") + END, xml_note("D", 4, 24, lyric="two")
    path = xml_score(tmp_path / "a.musicxml", halves)
    path.write_text(path.read_text(encoding="utf-8").replace('<measure number="2">', '<measure number="X1" implicit="yes">'), encoding="utf-8")
    assert lyrics_of(read_score(path)) == ["one", "four", "two"]


def test_musicxml_da_capo_is_played(tmp_path):
    fine, da_capo = ('<direction><direction-type><words>{}</words></direction-type><sound {}/></direction>'.format(*words) for words in (("Fine", 'fine="yes"'), ("D.C. al Fine", 'dacapo="yes"')))
    measures = [xml_note("C", 4, 48, lyric="one") + fine, xml_note("D", 4, 48, lyric="two") + da_capo]
    assert lyrics_of(read_score(xml_score(tmp_path / "a.musicxml", measures))) == ["one", "two", "one"]


def test_musicxml_jumps_that_lead_nowhere(tmp_path):
    measures = [START + xml_note("C", 4, 48, lyric="one"), xml_note("D", 4, 48, lyric="two")]
    with pytest.raises(InputError, match="repeats and jumps in .*a.musicxml lead nowhere"):
        read_score(xml_score(tmp_path / "a.musicxml", measures))


def test_musicxml_verses_that_the_repeats_leave_over_are_told(tmp_path):
    note = xml_note("C", 4, 48, lyric="one", second="two").replace("</note>", '<lyric number="3"><text>three</text></lyric></note>')
    score = read_score(xml_score(tmp_path / "a.musicxml", [note + END]))
    assert lyrics_of(score) == ["one", "two"] and "verse 3 is not sung" in score.messages[0]


def test_musicxml_the_tempo_stands_in_another_part(tmp_path):
    path = xml_score(tmp_path / "a.musicxml", [xml_note("C", 2, 48)], tempo=30)
    voice = f'<part id="P2"><measure number="1"><attributes><divisions>12</divisions></attributes>{xml_note("C", 4, 48, lyric="la")}{END}</measure></part>'
    xml = path.read_text(encoding="utf-8").replace("</part-list>", '<score-part id="P2"><part-name>Alto</part-name></score-part></part-list>')
    path.write_text(xml.replace("</score-partwise>", voice + "</score-partwise>"), encoding="utf-8")
    assert [note.start for note in read_score(path).notes] == pytest.approx([0, 8])


def test_musicxml_a_part_that_is_written_higher_than_it_sounds(tmp_path):
    path = xml_score(tmp_path / "a.musicxml", ["<attributes><transpose><chromatic>-2</chromatic></transpose></attributes>" + xml_note("C", 4, 48, lyric="la")])
    assert read_score(path).notes[0].pitch == 58


def test_musicxml_names_of_chords_are_not_sung(tmp_path):
    chord = "<harmony><root><root-step>G</root-step></root><kind>major</kind></harmony>"
    score = read_score(xml_score(tmp_path / "a.musicxml", [chord + xml_note("C", 4, 48, lyric="one")]))
    assert [note.pitch for note in score.notes] == [60] and score.messages == ()


def test_musicxml_silence_has_a_velocity(tmp_path):
    path = xml_score(tmp_path / "a.musicxml", [xml_note("C", 4, 48, lyric="one").replace("<note>", '<note dynamics="0">')])
    assert read_score(path).notes[0].velocity >= 1


def test_notes_that_run_into_each_other_and_rolled_chords(tmp_path):
    words = text_file(tmp_path / "a.txt", "one two three")
    legato = [(67, 0, 1.06), (64, 1, 2.06), (67, 2, 3)]
    score = read_score(midi_file(tmp_path / "a.mid", legato), lyrics=words)
    assert [(note.pitch, round(note.start, 2)) for note in score.notes] == [(67, 0), (64, 1), (67, 2)] and score.messages == ()
    rolled = [(pitch, at + 0.03 * i, at + 0.9) for at in (0, 1, 2) for i, pitch in enumerate((60, 64, 67))]
    score = read_score(midi_file(tmp_path / "b.mid", rolled), lyrics=words)
    assert [(note.pitch, round(note.start, 2)) for note in score.notes] == [(67, 0), (67, 1), (67, 2)] and "top voice" in score.messages[0]


def test_a_change_of_instrument_does_not_cut_the_melody(tmp_path):
    path = midi_file(tmp_path / "a.mid", [SCALE[:2], SCALE[2:]], words=[(note[1], "la") for note in SCALE])
    midi = pretty_midi.PrettyMIDI(str(path))
    midi.instruments[1].name = midi.instruments[0].name
    midi.instruments[1].program = 40
    midi.write(str(path))
    assert lyrics_of(read_score(path)) == ["la"] * 4


def test_notes_after_a_long_rest_without_words_are_an_instruments(tmp_path):
    notes = [*SCALE, (72, 4.0, 5.0), (74, 5.0, 6.0)]
    score = read_score(midi_file(tmp_path / "a.mid", notes, words=[(note[1], "la") for note in SCALE]))
    assert len(score.notes) == 4 and score.messages[0].endswith(": 2.")


def test_words_in_an_encoding_of_japan_are_refused_and_windows_quotes_are_not(tmp_path):
    for name, text in (("a.mid", "さ".encode("shift_jis")), ("b.mid", "don’t".encode("cp1252"))):
        midi = pretty_midi.PrettyMIDI(str(midi_file(tmp_path / name, SCALE[:2])))
        midi.lyrics = [pretty_midi.Lyric(text.decode("latin-1"), 0)]
        midi.write(str(tmp_path / name))
    with pytest.raises(InputError, match="not in UTF-8"):
        read_score(tmp_path / "a.mid")
    assert lyrics_of(read_score(tmp_path / "b.mid")) == ["don’t", "_"]


def test_two_words_on_one_note_stay_two(tmp_path):
    assert lyrics_of(read_score(midi_file(tmp_path / "a.mid", SCALE[:2], words=[(0, "the"), (0, "ap-"), (0.5, "ple")]))) == ["the ap-", "ple"]


def test_syllables_of_unusual_words():
    assert syllables("glo-_-_-ri-a", "en-us") == ["glo-", "_", "_", "ri-", "a"]
    assert syllables("W x", "en-us") == ["W", "_", "_", "x"]  # "double-u"
    assert [s.strip("-") for s in syllables("alas—my…", "en-us")] == ["a", "las", "my"]
    assert len(syllables("cool", "de")) == 1  # English to eSpeak, which says so in between
    with pytest.raises(InputError, match="kanji '桜'.*write Japanese in kana"):
        syllables("桜", "ja")
