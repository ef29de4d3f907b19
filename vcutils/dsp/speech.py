"""Text to speech with eSpeak NG: a robot's voice, but it knows how a hundred languages are spoken, and when each sound begins.

eSpeak is optional (``pip install "vcutils[score]"``). Its library is called directly, as only there the times of the sounds can be had.
"""
import ctypes
import functools
import re
import unicodedata
from dataclasses import dataclass

import numpy as np

from vcutils.errors import InputError

CHINESE = "[\u3400-\u9fff]"  # a character, as a regular expression; in Japanese, a kanji
_VOWELS = set("aeiouyæɐɑɒɔəɚɛɜɝɪʊʌøœɶʉɨɯɤɘɵɞʏᵻ")
# from eSpeak's speak_lib.h
_SYNCHRONOUS, _PHONEME_EVENTS, _IPA, _DONT_EXIT, _UTF8 = 2, 1, 2, 0x8000, 1
_RATE, _PITCH, _RANGE, _WORD, _PHONEME = 1, 3, 4, 1, 7


@dataclass(frozen=True)
class Phone:
    """One sound of speech.

    Attributes
    ----------
    name : str
        In the International Phonetic Alphabet, without stress marks; empty for a pause.
    start, end : float
        Seconds.
    position : int
        Where in the text its word begins.
    """

    name: str
    start: float
    end: float
    position: int

    @property
    def vowel(self):
        """Whether it can carry a note; also the "l" of "little", when eSpeak marks it as a syllable."""
        return bool(_VOWELS & set(unicodedata.normalize("NFD", self.name))) or "\u0329" in self.name


def speak(text, *, language="en-us", rate=140, pitch=50, intonation=50):
    """Say a text.

    Parameters
    ----------
    text : str
    language : str
        eSpeak's name of a language or voice: "en-us", "de", "cmn" (Mandarin), "es", "ja", ...
    rate : int
        Words per minute, 80 to 450.
    pitch : int
        Base pitch, 0 to 100.
    intonation : int
        How far the pitch moves, 0 (not at all) to 100.

    Returns
    -------
    y : np.ndarray [shape=(n,)], float32
    sr : int
    phones : list of Phone
        In order, pauses included.

    Raises
    ------
    InputError
        If eSpeak is not installed, does not know the language, or finds nothing to say in the text; if the text is
        Japanese with kanji, which it cannot read; if `rate` is out of range.

    Examples
    --------
    >>> y, sr, phones = speak("see you", language="en-us")  # doctest: +SKIP
    >>> [phone.name for phone in phones if phone.name]  # doctest: +SKIP
    ['s', 'iː', 'j', 'uː']
    """
    if not 80 <= rate <= 450:
        raise InputError(f"rate is {rate}; it must be between 80 and 450 words a minute.")
    kanji = re.search(f"{CHINESE}|々", text) if language.startswith("ja") else None
    if kanji:
        raise InputError(f"eSpeak cannot read the kanji '{kanji[0]}' in '{text[:30]}'; write Japanese in kana.")
    library, sr, heard = _espeak()
    if library.espeak_SetVoiceByName(language.encode()):
        raise InputError(f"eSpeak knows no language '{language}'; choose one such as en-us, en-gb, de, fr, es, it, pt, ja, ko or cmn (Mandarin).")
    for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, intonation)):
        library.espeak_SetParameter(parameter, int(value), 0)
    heard.clear()
    spoken = unicodedata.normalize("NFC", text).encode()  # "u" and a dot as "ü"
    library.espeak_Synth(spoken, len(spoken) + 1, 0, 1, 0, _UTF8, None, None)
    library.espeak_Synchronize()
    blocks = [block for block, _ in heard]
    y = np.concatenate(blocks).astype(np.float32) / 32768 if blocks else np.zeros(0, np.float32)
    events = [event for _, events in heard for event in events]
    position, starts = 0, []
    for kind, where, sample, name in events:
        if kind == _WORD:
            position = where - 1  # eSpeak counts from 1
        elif not name.startswith("("):  # "(en)" says that English words follow
            starts.append((sample / sr, name, position))
    ends = [start for start, *_ in starts[1:]] + [len(y) / sr]
    phones = [Phone(name, start, end, where) for (start, name, where), end in zip(starts, ends) if end > start]
    if not any(phone.name for phone in phones):
        raise InputError(f"There is nothing to say in '{text[:60]}'; write words.")
    return y, sr, phones


@functools.cache
def _espeak():
    """The library, its sampling rate, and the list into which it reports what it says: pairs of samples and events."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise InputError('Singing or saying a text needs eSpeak NG; install it with: pip install "vcutils[score]"') from error

    class Name(ctypes.Union):
        _fields_ = [("number", ctypes.c_int), ("pointer", ctypes.c_char_p), ("string", ctypes.c_char * 8)]

    class Event(ctypes.Structure):
        _fields_ = [("type", ctypes.c_int), ("identifier", ctypes.c_uint), ("text_position", ctypes.c_int), ("length", ctypes.c_int),
                    ("audio_position", ctypes.c_int), ("sample", ctypes.c_int), ("user_data", ctypes.c_void_p), ("id", Name)]  # fmt: skip

    heard = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event))
    def report(samples, n_samples, events):
        block = np.ctypeslib.as_array(samples, (n_samples,)).copy() if samples and n_samples > 0 else np.zeros(0, np.int16)
        kept, i = [], 0
        while events[i].type:  # 0 ends the list
            if events[i].type in (_WORD, _PHONEME):
                name = events[i].id.string.decode(errors="ignore") if events[i].type == _PHONEME else ""
                kept.append((events[i].type, events[i].text_position, events[i].sample, name.strip("ˈˌ ")))
            i += 1
        heard.append((block, kept))
        return 0

    library = ctypes.cdll.LoadLibrary(espeakng_loader.get_library_path())
    sr = library.espeak_Initialize(_SYNCHRONOUS, 0, str(espeakng_loader.get_data_path()).encode(), _PHONEME_EVENTS | _IPA | _DONT_EXIT)
    if sr <= 0:
        raise InputError('eSpeak NG does not start; install it again with: pip install --force-reinstall "vcutils[score]"')
    library.report = report  # or it is collected while the library still calls it
    library.espeak_SetSynthCallback(report)
    return library, sr, heard


def guess_language(text):
    """The language that a text's letters speak for, as far as they do.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        For `speak`: "cmn" for Chinese characters, "ja" with kana among them, "ko", "ru", else "en-us".

    Examples
    --------
    >>> guess_language("长亭外"), guess_language("alas my love")
    ('cmn', 'en-us')
    """
    scripts = {unicodedata.name(letter, "").split(" ")[0] for letter in text if letter.isalpha()}
    for script, language in (("HIRAGANA", "ja"), ("KATAKANA", "ja"), ("HANGUL", "ko"), ("CJK", "cmn"), ("CYRILLIC", "ru")):
        if script in scripts:
            return language
    return "en-us"
