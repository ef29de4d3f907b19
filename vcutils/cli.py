"""The command line: the same six steps for people who do not want a notebook.

Exit codes: 0 done; 2 the input cannot be used (one sentence on stderr); 1 a fault of ours; 130 stopped with Ctrl-C.
The steps are imported inside the commands, so that `vcutils --help` does not wait for TensorFlow.
"""
import argparse
import contextlib
import json
import math
import os
import sys
import tempfile
import time
from pathlib import Path

import vcutils
from vcutils.config import preset
from vcutils.errors import InputError
from vcutils.files import sha256, write_together
from vcutils.workspace import DEFAULT, open_voice

METHODS = ("repet", "demucs")  # of vcutils.separate, which would load librosa here


def main(argv=None):
    """Run one command.

    Parameters
    ----------
    argv : list of str, optional
        Default: what the shell gave.

    Returns
    -------
    int
        The exit code, see above.

    Examples
    --------
    >>> import contextlib
    >>> with contextlib.redirect_stderr(sys.stdout):  # doctest: +ELLIPSIS
    ...     main(["sing", "nobody", "README.md"])
    vcutils: The voice 'nobody' has no result of step 'train' ...
    2
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the console cannot show must not end the command
            stream.reconfigure(errors="backslashreplace")
    args = None
    try:
        args, rest = _parser().parse_known_args(argv)
        if rest and getattr(args, "songs", None) == [] and not any(word.startswith("-") for word in rest):
            args.songs = [Path(word) for word in rest]  # argparse takes "*" for nothing if an option follows the name
        elif rest:
            raise InputError(f"unrecognized arguments: {' '.join(rest)}; see `vcutils --help`.")
        # For a program, stdout holds the JSON and nothing else.
        with contextlib.redirect_stdout(sys.stderr) if args.json else contextlib.nullcontext():
            result = args.run(args)
        if args.json:
            print(json.dumps(result, indent=1, allow_nan=False))
        return 0 if result.get("ok", True) else 1
    except InputError as error:
        print(f"vcutils: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass  # what is said comes after the end of a progress bar, which is kept open by what holds it: the exception
    except Exception as error:
        if args is None or args.debug:
            raise
        print(
            f"vcutils: this is a fault of ours ({type(error).__name__}: {error}); "
            "run the same command with --debug to see where, and report it.",
            file=sys.stderr,
        )
        return 1
    newline = "\n" if sys.stderr.isatty() else ""  # a terminal shows ^C
    print(f"{newline}vcutils: stopped; no file is half-written. `clone` and `demo` go on from their last checkpoint when run again.", file=sys.stderr)
    return 130


def run():
    """The command `vcutils`: `main`, and then out at once, as taking TensorFlow down piece by piece lasts two seconds.

    Examples
    --------
    >>> run()  # doctest: +SKIP
    """
    code = main()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # whoever was reading may have gone
            stream.flush()
    os._exit(code)


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise InputError(f"{message}; see `{self.prog} --help`.")


def _parser():
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print the result as JSON; everything else goes to stderr")
    common.add_argument("--debug", action="store_true", help="show the traceback of a fault")
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--workspace", type=Path, default=DEFAULT, metavar="DIR", help="folder that holds the voices (default: %(default)s)")
    settings = argparse.ArgumentParser(add_help=False)
    settings.add_argument("--preset", default="quick", metavar="{quick,studio}", help="quick: minutes on a CPU; studio: 44.1 kHz, for a GPU (default: quick)")
    settings.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="override one setting of the preset, such as steps=300; can be repeated")

    parser = _Parser(prog="vcutils", description="Clone a voice and make it sing.")
    parser.add_argument("--version", action="version", version=f"vcutils {vcutils.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name, run, text, *parents):
        sub = commands.add_parser(name, help=text, description=text, parents=[*parents, common])
        sub.set_defaults(run=run)
        return sub

    demo = command("demo", _run_demo, "Run the whole job on the demo data that comes with vcutils.", settings)
    demo.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="where everything goes (default: %(default)s)")

    clone = command("clone", _run_clone, "Clone a voice from recordings: steps 1 to 3.", where, settings)
    clone.add_argument("recordings", nargs="+", metavar="RECORDINGS", help="folders, sound files or zips; all of them, also those of an earlier run")
    clone.add_argument("--voice", required=True, metavar="NAME", help="what to call the voice")
    clone.add_argument("--consent", metavar="{self,permission,licence}", help="why you may clone it: it is yours, its owner allowed it, or the recordings' licence does")
    clone.add_argument("--consent-note", default="", metavar="TEXT", help="who allowed it, or which licence")

    knobs = argparse.ArgumentParser(add_help=False)
    knobs.add_argument("--clarity", type=float, metavar="0..1", help="more has clearer words and is less like the voice (default: 0.4)")
    knobs.add_argument("--retrieval", type=float, metavar="0..1", help="0 follows the singer's sounds, 1 uses only the voice's own; changes little (default: 0.5)")
    knobs.add_argument("--formant", type=float, default=0.0, metavar="N", help="semitones; moves the resonances")
    singing = argparse.ArgumentParser(add_help=False, parents=[knobs])  # the same for `sing` and `fix`
    singing.add_argument("--key", default="auto", metavar="auto|N", help="semitones; auto moves the song into the voice's own range, by whole octaves if there is a backing")
    singing.add_argument("--backing", type=Path, metavar="FILE", help="accompaniment that starts together with the song")
    singing.add_argument("--balance", type=float, metavar="DB", help="loudness of the voice over the backing (default: the style's; plain has 2)")
    singing.add_argument("--style", default="plain", metavar="STYLE", help="plain, pop, ballad, choir or speech: tone, compression, reverb and ducking (default: %(default)s)")
    singing.add_argument("--double", action="store_true", help="add a doubled voice on each side")
    singing.add_argument("--harmony", type=int, action="append", default=[], metavar="3|6|-3|-6", help="add a third or a sixth above, or below; can be repeated")
    singing.add_argument("--scale", metavar="KEY", help="such as 'E minor', 'C major' or 'E F# G A B C D#' (default: found in the song)")

    sing = command("sing", _run_sing, "Sing songs in a cloned voice, from a recording or from a score: steps 4 and 5.", where, singing)
    sing.add_argument("name", metavar="NAME", help="the voice")
    sing.add_argument("songs", nargs="*", type=Path, metavar="SONG", help="a recording of one voice without accompaniment (or see --from-mix); several, or a folder, if -o is a folder")
    sing.add_argument("-o", "--out", type=Path, metavar="OUT.wav", help="a WAV, FLAC or OGG file, or a folder (default: NAME_SONG.wav here)")
    sing.add_argument("--from-mix", nargs="?", const="repet", choices=METHODS, help="the song is a finished mix: separate its voice first, and sing over what is left unless --backing is given; write it after the song (default method: repet)")
    sing.add_argument("--score", type=Path, metavar="FILE", help="instead of a recording: a melody as MIDI or MusicXML")
    sing.add_argument("--lyrics", type=Path, metavar="FILE", help="its words as a text file (default: those in the score)")
    sing.add_argument("--language", metavar="CODE", help="of the lyrics: en-us, de, es, ja, cmn (Mandarin), ... (default: by the script; Latin letters count as English)")
    sing.add_argument("--track", metavar="N|NAME", help="which track or part of the score (default: the one with the words)")
    sing.add_argument("--perform", action="append", default=[], metavar="NAME=VALUE", help="how the score is sung: vibrato=0.4, portamento=0.08, breath=-30 (dB below the voice; or none), seed=1, ...; can be repeated")

    say = command("say", _run_say, "Say a text in a cloned voice.", where, knobs)
    say.add_argument("name", metavar="NAME", help="the voice")
    say.add_argument("text", metavar="TEXT", help="what it says")
    say.add_argument("-o", "--out", type=Path, metavar="OUT.wav", help="a WAV, FLAC or OGG file (default: NAME_says.wav here)")
    say.add_argument("--language", metavar="CODE", help="of the text: en-us, de, es, ja, cmn (Mandarin), ... (default: by the script; Latin letters count as English)")
    say.add_argument("--rate", type=int, default=150, metavar="N", help="words per minute (default: %(default)s)")

    fix = command("fix", _run_fix, "Mend a song before it is sung: tune, breaths, timing, the best of several takes. What was changed stands in OUT.fix.json: edit it and run again.", where, singing)
    fix.add_argument("name", metavar="NAME", help="the voice")
    fix.add_argument("songs", nargs="+", type=Path, metavar="SONG", help="a recording of one voice without accompaniment, or several takes of it")
    fix.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.wav", help="a WAV, FLAC or OGG file")
    fix.add_argument("--tune", type=float, metavar="0..1", help="how far notes move towards the scale in a first run, or with --anew; then edit OUT.fix.json (default: 0.6)")
    fix.add_argument("--breath", type=float, metavar="DB", help="by how much breaths are turned down (default: 6)")
    fix.add_argument("--settings", type=Path, metavar="FILE", help="settings to start from (default: OUT.fix.json, if it exists)")
    fix.add_argument("--anew", action="store_true", help="write OUT.fix.json anew, whatever stands in it")

    parts = command("separate", _run_separate, "Separate a finished song into its voice and its backing.")
    parts.add_argument("mix", type=Path, metavar="MIX", help="a song with one voice in front")
    parts.add_argument("-o", "--out", type=Path, default=Path("."), metavar="FOLDER", help="where MIX_voice.wav and MIX_backing.wav go (default: here)")
    parts.add_argument("--method", default="repet", choices=METHODS, help="repet is built in; demucs is a pretrained network, slower, and needs `pip install \"vcutils[separate]\"` (default: %(default)s)")

    report = command("report", _run_report, "Measure a result and write a page to listen to: step 6.", where)
    report.add_argument("name", metavar="NAME", help="the voice")
    report.add_argument("out", type=Path, metavar="OUT.wav", help="what `vcutils sing` wrote")
    report.add_argument("--source", type=Path, required=True, metavar="SONG", help="what it was sung from")
    report.add_argument("--page", type=Path, metavar="FILE.html", help="the page (default: OUT.html)")

    command("doctor", _run_doctor, "Check that this computer has what vcutils needs, and say how to mend it.")
    return parser


def _run_demo(args):
    from vcutils.demo import DEMO_VOICES, demo_song, demo_voice

    (name, *_), (song, backing) = DEMO_VOICES, demo_song()
    voice, out = open_voice(name, workspace=args.out / "workspace"), args.out / "cover.wav"
    cloned = _clone([demo_voice(name)], voice, config=_config(args), consent="licence", note="a voice of CMU Flite; see data/README.md")
    sung = _sing(voice, song, out, backing=backing)
    reported = _report(voice, out, song, args.out / "report.html")
    print(f"\nListen to {out}\nRead      {reported['report']}")
    return {"cover": str(out), **reported, "song": sung, "clone": cloned}


def _run_clone(args):
    voice = open_voice(args.voice, workspace=args.workspace)
    return _clone(args.recordings, voice, config=_config(args), consent=args.consent, note=args.consent_note)


def _run_sing(args):
    voice = open_voice(args.name, workspace=args.workspace)
    voice.require("train")
    from vcutils.collect import find_recordings
    from vcutils.dsp.audio import load_audio

    options = _checked_options(args)
    if args.backing:
        load_audio(args.backing)  # a bad backing is found before a long song is sung
    if bool(args.songs) == bool(args.score):
        raise InputError("Name either recordings to sing from or a --score, not both; see `vcutils sing --help`.")
    needs_score = [name for name in ("lyrics", "language", "track", "perform") if getattr(args, name)]
    if needs_score and not args.score:
        raise InputError(f"--{needs_score[0]} tells how to sing a score; name it with --score.")
    if args.scale and not args.harmony:
        raise InputError("--scale is the scale of a second voice; add --harmony 3, or mend the tune with `vcutils fix`.")
    if args.score and args.from_mix:
        raise InputError("--from-mix takes a recording apart, and --score sings without one; leave one of them out.")
    if args.score:
        return {"voice": voice.name, "songs": [_sing_score(args, voice)], "skipped": []}
    with tempfile.TemporaryDirectory() as unpacked:
        songs = find_recordings(args.songs, unpack_to=unpacked)
        outs = _outputs(args, songs)
        sung, skipped = [], []
        for song, out in zip(songs, outs):
            try:
                sung.append(_sing_mix(args, voice, song, out) if args.from_mix else _sing(voice, song, out, **options))
            except InputError as error:
                if len(songs) == 1:
                    raise
                skipped.append({"file": str(song), "why": str(error)})
                print(f"Skipped: {error}")
    if not sung:
        raise InputError(f"None of the {len(songs)} songs can be sung; the first: {skipped[0]['why']}")
    return {"voice": voice.name, "songs": sung, "skipped": skipped}


def _sing_mix(args, voice, path, out):
    """A finished mix instead of a recording: its voice is sung over its backing, or another."""
    options = _options(args)
    _check_outputs(path, out, track=True, **options)
    from vcutils.generate import load_singer, read_song
    from vcutils.separate import separate

    parts = separate(path, method=args.from_mix, progress=sys.stderr.isatty())
    song = read_song((parts["voice"].mean(axis=0), parts["sr"]), config=load_singer(voice)[0].config)
    source = {"file": path.name, "sha256": sha256(path)}
    more = {"source": source, "separated": args.from_mix, "backing": {**source, "separated": args.from_mix}}
    return _sing(voice, path, out, song=song, track=None if args.backing else (parts["backing"], parts["sr"]), more=more, **options)


def _sing_score(args, voice):
    """A score instead of a recording."""
    from vcutils.generate import load_singer
    from vcutils.perform import perform
    from vcutils.score import read_score

    (out,) = _outputs(args, [args.score])
    score = read_score(args.score, lyrics=args.lyrics, language=args.language, track=args.track)
    manner, known = {}, {name: value for name, value in perform.__kwdefaults__.items() if name != "progress"}
    for item in args.perform:
        key, _, value = item.partition("=")
        if key not in known:
            raise InputError(f"--perform {item}: there is no '{key}'; choose from {', '.join(known)}.")
        try:
            manner[key] = None if key == "breath" and value == "none" else type(known[key])(value)
        except ValueError as error:
            raise InputError(f"--perform {item} does not fit; {key} is a number such as {known[key]}.") from error
    for message in score.messages:
        print(message)
    song = perform(score, config=load_singer(voice)[0].config, progress=sys.stderr.isatty(), **manner)
    return {**_sing(voice, args.score, out, song=song, **_options(args)), "notes": list(score.messages)}


def _run_say(args):
    voice = open_voice(args.name, workspace=args.workspace)
    voice.require("train")
    from vcutils.generate import load_singer
    from vcutils.perform import say

    out = args.out or Path(f"{args.name}_says.wav")
    _check_writable(out)
    model, *_ = load_singer(voice)
    song = say(args.text, config=model.config, language=args.language, rate=args.rate, f0_range=model.f0_range)
    return {"voice": voice.name, **_sing(voice, None, out, song=song, key=0, clarity=args.clarity, retrieval=args.retrieval, formant=args.formant)}


def _run_fix(args):
    voice = open_voice(args.name, workspace=args.workspace)
    voice.require("train")
    from vcutils.dsp.audio import load_audio
    from vcutils.fix import comp, fill_in, fix, read_settings, write_settings

    _check_writable(args.out)
    _checked_options(args)
    beside = args.out.with_suffix(".fix.json")
    settings = _fix_settings(args, beside)
    if args.backing:
        load_audio(args.backing)  # a bad backing is found before a long song is sung
    for song in args.songs:
        _check_outputs(song, args.out, **_options(args))
    if "takes" in settings and len(args.songs) == 1:
        raise InputError(f"The settings choose phrases from several takes, but there is only {args.songs[0]}; name all of them, in the same order.")

    from vcutils.generate import load_singer, read_song

    config = load_singer(voice)[0].config
    if config.sr != 100 * config.hop_length:
        raise InputError(f"The voice '{voice.name}' has frames of {1000 * config.hop_length / config.sr:g} ms, but `fix` needs 10 ms; train it with a hop_length of {config.sr // 100}.")
    takes = [read_song(song, config=config) for song in args.songs]
    song, about = takes[0], {}
    if len(takes) > 1:
        song, table = comp(takes, key=settings.get("tune", {}).get("key"), phrases=settings.get("takes", {}).get("phrases"))
        settings["takes"] = {"phrases": [row["take"] for row in table]}
        about["takes"] = [take.source for take in takes]
        for row in table:
            print(f"{row['from']:6.2f} to {row['to']:6.2f} s: take {row['take']}; faults " + ", ".join(f"{faults:.1f}" for faults in row["faults"]))
    settings = fill_in(song, settings)
    if args.settings and beside.is_file() and not args.anew and read_settings(beside) != settings:
        raise InputError(f"{beside} holds other settings than {args.settings}; add --anew to replace them, or choose another name for the result.")
    options = {**_options(args), "scale": args.scale or settings.get("tune", {}).get("key")}
    result = _sing(voice, args.songs[0], args.out, song=fix(song, settings), more={**about, "fixed": settings}, **options)
    if args.anew or not beside.is_file():
        write_settings(beside, settings)
    if "tune" in settings:
        print(f"The notes go {settings['tune']['strength']:.0%} of the way to {settings['tune']['key']}, with A4 at {settings['tune']['a4']:g} Hz.")
    if "breath" in settings:
        print(f"Of {len(settings['breath']['spans'])} breaths each is {settings['breath']['by']:g} dB softer.")
    print(f"To change it, edit {beside} and run the same again.")
    return {**result, "voice": voice.name, "settings": str(beside), "fixed": settings}


def _fix_settings(args, beside):
    """What `fix` is to do: as the file says, or else as the options and the defaults say."""
    from vcutils.fix import FIRST_ASKED, check, read_settings

    given = {"--tune": ("tune", "strength", args.tune), "--scale": ("tune", "key", args.scale), "--breath": ("breath", "by", args.breath)}
    file = args.settings or (beside if beside.is_file() and not args.anew else None)
    settings = read_settings(file) if file else {name: dict(entries) for name, entries in FIRST_ASKED.items()}
    for option, (name, key, value) in given.items():
        if value is None:
            continue
        if file and settings.get(name, {}).get(key) != value:
            raise InputError(f"{file} has other settings than {option} {value}; edit it, leave out {option}, or begin anew with --anew and without --settings.")
        settings[name][key] = value
    if args.backing and "tune" in settings:
        settings["tune"].setdefault("a4", 440.0)  # what instruments are tuned to
    return check(settings)


def _run_separate(args):
    from vcutils.dsp.audio import encode_audio
    from vcutils.separate import separate

    outs = {part: args.out / f"{args.mix.stem}_{part}.wav" for part in ("voice", "backing")}
    began = time.monotonic()
    parts = separate(args.mix, method=args.method, progress=sys.stderr.isatty())
    scale = max(1.0, *(float(abs(parts[part]).max()) for part in outs))  # one for both, so that they still add up
    write_together({out: encode_audio(out, parts[part] / scale, parts["sr"]) for part, out in outs.items()})
    seconds, length = time.monotonic() - began, parts["voice"].shape[-1] / parts["sr"]
    print("\n".join(map(str, outs.values())) + f"\n{length:.1f} s, separated in {seconds:.1f} s" + (f"; both turned down by {20 * math.log10(scale):.1f} dB, as a part had peaks above full scale" if scale > 1 else ""))
    return {**{part: str(out) for part, out in outs.items()}, "source": str(args.mix), "method": args.method, "scale": round(1 / scale, 4), "length": length, "seconds": round(seconds, 2)}


def _run_report(args):
    voice = open_voice(args.name, workspace=args.workspace)
    reported = _report(voice, args.out, args.source, args.page or args.out.with_suffix(".html"))
    print(f"\nRead {reported['report']}")
    return reported


def _run_doctor(args):
    from vcutils.doctor import examine

    checks = examine()
    for check in checks:
        print(f"[{check['state']}]".ljust(7) + f"{check['name']}: {check['found']}" + (f". To mend it: {check['mend']}" if check["mend"] else ""))
    return {"ok": not any(check["state"] == "FAIL" for check in checks), "checks": checks}


def _options(args):
    """What `sing` and `fix` have in common, for `_sing`."""
    return {key: getattr(args, key) for key in ("key", "backing", "balance", "style", "clarity", "retrieval", "formant", "double", "harmony", "scale")}


def _checked_options(args):
    """The same, refused before any work is done if something is out of range."""
    from vcutils.fix import check_harmonies
    from vcutils.generate import check_knobs
    from vcutils.postprocess import check_settings

    options = _options(args)
    check_harmonies(args.harmony, args.scale)
    check_settings(args.style, **({} if args.balance is None else {"balance_db": args.balance}))
    check_knobs(key=args.key, **{name: options[name] for name in ("clarity", "retrieval", "formant") if options[name] is not None})
    if args.balance is not None and not (args.backing or getattr(args, "from_mix", None)):
        raise InputError("--balance sets the voice over a backing, but there is none; add --backing FILE.")
    return options


def _config(args):
    """The preset with what `--set` overrides."""
    base, overrides = preset(args.preset), {}
    for item in args.set:
        key, given, value = item.partition("=")
        if not given:
            raise InputError(f"--set {item} gives no value; write --set {item}=VALUE.")
        kind = type(getattr(base, key, ""))
        try:
            overrides[key] = value if kind is str else json.loads(value)
        except ValueError as error:
            raise InputError(f"--set {item} does not fit; {key} is a number such as {getattr(base, key)}.") from error
    return preset(args.preset, **overrides)


def _outputs(args, songs):
    """Where each song goes."""
    from vcutils.dsp.audio import AUDIO_SUFFIXES

    folder = len(songs) > 1 or any(path.is_dir() for path in args.songs)
    if folder and (args.out is None or args.out.suffix.lower() in AUDIO_SUFFIXES):
        raise InputError(f"{len(songs)} songs need a folder to go into; add -o FOLDER.")
    if args.out is None:
        return [Path(f"{args.name}_{songs[0].stem}.wav")]
    if not folder and not os.path.isdir(args.out):  # Path.is_dir fails at a name that is too long
        if not args.out.suffix:
            raise InputError(f"{args.out} is no folder yet, and no sound file by its name; make the folder, or write {args.out}.wav.")
        _check_writable(args.out)
        return [args.out]
    outs = [args.out / f"{song.stem}.wav" for song in songs]
    written = [path for out in outs for path in _written(out, track=args.from_mix, **_options(args))]
    for path in written:
        if written.count(path) > 1:
            raise InputError(f"Two songs would both become {path}; sing them one at a time, or rename one.")
    return outs


def _clone(recordings, voice, *, config, consent, note):
    """Steps 1 to 3."""
    from vcutils.collect import collect, format_report

    began, progress = time.monotonic(), sys.stderr.isatty()
    manifest = collect(recordings, voice, consent=consent, note=note, progress=progress)
    print(format_report(manifest))

    from vcutils.preprocess import preprocess
    from vcutils.train import train  # here, so that the report need not wait for TensorFlow

    preprocess(voice, config=config, progress=progress)
    trained = train(voice, config=config, progress=progress, on_evaluation=None if progress else _print_evaluation)
    seconds = time.monotonic() - began
    print(f"{trained['reason']}\nThe voice '{voice.name}' is ready, after {seconds / 60:.1f} minutes. Next: vcutils sing {voice.name} SONG" + ("" if voice.folder.parent == DEFAULT else f" --workspace {voice.folder.parent}"))
    kept = {key: manifest[key] for key in ("summary", "advice", "skipped")}
    return {"voice": voice.name, "model": str(voice.model), "seconds": round(seconds, 1), "reason": trained["reason"], "steps": trained["steps"], **kept}


def _print_evaluation(history, preview):
    """What a progress bar would show, a line at a time, for a log."""
    print(f"Step {history[-1]['step']}: held-out loss {history[-1]['held_out']:.3f}; hear {preview}", file=sys.stderr, flush=True)


def _sing(
    voice, path, out, *, song=None, track=None, more={}, key="auto", backing=None, balance=None, style="plain", double=False, harmony=(), scale=None, **knobs
):  # fmt: skip
    """Steps 4 and 5: `out`; if there is more in it than a plain voice, that alone beside it; where they come from in `out`.json.

    What is sung is the recording `path`, or `song` if that is made already. `track`, samples and their rate, can take the
    place of `backing`. `more` goes into the .json.
    """
    alone = _check_outputs(path, out, track=track, backing=backing, style=style, double=double, harmony=harmony)
    from vcutils.fix import sing_layers
    from vcutils.generate import convert, load_singer, read_song
    from vcutils.postprocess import as_files, check_settings, finish

    finishing = {} if balance is None else {"balance_db": balance}
    balance = check_settings(style, **finishing)["balance_db"]
    began, progress = time.monotonic(), sys.stderr.isatty()
    if (backing or track) and key == "auto":
        key = "octave"  # any other key would clash with the backing
    knobs = {name: value for name, value in knobs.items() if value is not None}
    song = song or read_song(path, config=load_singer(voice)[0].config, progress=progress)
    sung = convert(voice, song, key=key, progress=progress, **knobs)
    layers = sing_layers(voice, song, key=sung["key"], harmonies=harmony, doubled=double, scale=scale, **knobs)
    if progress:
        print("Finishing ...", file=sys.stderr)
    about, files = {**sung["about"], "backing": None, **more}, {}
    if backing:
        about["backing"] = {"file": backing.name, "sha256": sha256(backing)}
    finished = finish(sung["y"], sr=sung["sr"], backing=backing or track, layers=layers, style=style, **finishing)
    if alone:  # to be measured, or mixed elsewhere
        files = as_files(alone, *finish(sung["y"], sr=sung["sr"]), about={**about, "backing": None})
        about["alone"] = alone.name
        about["settings"] = {**about["settings"], "style": style, "double": double, "harmony": list(harmony), "balance": balance}
    write_together(files | as_files(out, *finished, about=about))
    seconds, length = time.monotonic() - began, len(sung["y"]) / sung["sr"]
    print(f"{sung['message']}\n{out}: {length:.1f} s, made in {seconds:.1f} s")
    return {"output": str(out), "source": str(path or "text"), "key": sung["key"], "message": sung["message"], "length": length, "seconds": round(seconds, 2)}


def _check_writable(out):
    from vcutils.dsp.audio import WRITABLE_SUFFIXES

    if out.suffix.lower() not in WRITABLE_SUFFIXES:
        raise InputError(f"{out} cannot be written: its name must end in {', '.join(WRITABLE_SUFFIXES)}.")


def _written(out, *, track=None, backing=None, style="plain", double=False, harmony=(), **_):
    """The files of sound that singing writes: if there is more in `out` than a plain voice, that alone as well."""
    return [out, out.with_stem(f"{out.stem}_voice")] if track or backing or style != "plain" or double or harmony else [out]


def _check_outputs(path, out, *, backing=None, **options):
    """Refuse to write over what the result is made of; the file for the voice alone, or None."""
    written = _written(out, backing=backing, **options)
    for result in written:
        for given, what in ((path, "the song"), (backing, "the backing")):
            if given and result.resolve() == Path(given).resolve():
                raise InputError(f"{result} is {what} itself; choose another name for the result.")
    return written[1] if len(written) > 1 else None


def _report(voice, out, song, page):
    """Step 6: the table on the terminal and the page."""
    voice.require("train")
    import librosa

    from vcutils.dsp.audio import load_audio
    from vcutils.model import load_model
    from vcutils.postprocess import read_provenance
    from vcutils.results import format_table, split_recordings, write_report
    from vcutils.separate import separate

    model = load_model(voice.model)
    sr = model.config.sr
    made = read_provenance(out)
    if song.is_file() and (made.get("source") or {}).get("sha256", sha256(song)) != sha256(song):
        raise InputError(f"{out} was sung from another file, '{made['source']['file']}', than {song}; give that one as --source.")
    alone = out.with_name(made.get("alone") or out.name)  # only the voice alone can be measured
    result, source = load_audio(alone, sr=sr)[0], load_audio(song, sr=sr)[0]
    if made.get("separated"):
        parts = separate(song, method=made["separated"], progress=sys.stderr.isatty())
        source = librosa.resample(parts["voice"].mean(axis=0), orig_sr=parts["sr"], target_sr=sr)
    target, held_out = split_recordings(voice, sr=sr)

    from vcutils.recipe import convert_recipe, train_recipe  # loads TensorFlow: after what may be wrong with the input

    recipe = train_recipe(target, sr=sr, progress=sys.stderr.isatty())
    rows = write_report(
        page,
        {"recipe": convert_recipe(recipe, source, sr=sr), "result": result},
        source=source,
        target=target,
        sr=sr,
        held_out=held_out,
        cover=load_audio(out, mono=False) if alone != out else None,
        title=f"{voice.name} sings {song.stem}",
        provenance={
            "Voice": voice.name,
            "Consent": " - ".join(filter(None, (model.about["consent"][key] for key in ("kind", "note", "date")))),
            "Song": song.name + (f" (a mix; its voice separated with {made['separated']})" if made.get("separated") else ""),
            "Model": f"SHA-256 {sha256(voice.model)}",
            "Settings": ", ".join(f"{key} {value}" for key, value in made.get("settings", {}).items()) or "unknown",
            "Made with": f"vcutils {made.get('vcutils', vcutils.__version__)}",
        },
    )
    print(format_table(rows))
    return {"report": str(page), "rows": rows}
