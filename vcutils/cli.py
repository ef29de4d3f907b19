"""The command line: the same six steps for people who do not want a notebook.

Exit codes: 0 done; 2 the input cannot be used (one sentence on stderr); 1 a fault of ours; 130 stopped with Ctrl-C.
The steps are imported inside the commands, so that `vcutils --help` does not wait for TensorFlow.
"""
import argparse
import contextlib
import json
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
        args = _parser().parse_args(argv)
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
    knobs.add_argument("--clarity", type=float, metavar="0..1", help="more has clearer words and is less like the voice")
    knobs.add_argument("--retrieval", type=float, metavar="0..1", help="more sounds more like the voice and less clear")
    knobs.add_argument("--formant", type=float, default=0.0, metavar="N", help="semitones; moves the resonances")
    knobs.add_argument("--language", metavar="CODE", help="of lyrics or text: en-us, de, es, ja, cmn (Mandarin), ... (default: by its letters)")

    sing = command("sing", _run_sing, "Sing songs in a cloned voice, from a recording or from a score: steps 4 and 5.", where, knobs)
    sing.add_argument("name", metavar="NAME", help="the voice")
    sing.add_argument("songs", nargs="*", type=Path, metavar="SONG", help="a recording of one voice without accompaniment; several, or a folder, if -o is a folder")
    sing.add_argument("--score", type=Path, metavar="FILE", help="instead of a recording: a melody as MIDI or MusicXML")
    sing.add_argument("--lyrics", type=Path, metavar="FILE", help="its words as a text file (default: those in the score)")
    sing.add_argument("--track", metavar="N|NAME", help="which track or part of the score (default: the one with the words)")
    sing.add_argument("--perform", action="append", default=[], metavar="NAME=VALUE", help="how the score is sung: vibrato=0.4, portamento=0.08, breath=-30, seed=1, ...; can be repeated")
    sing.add_argument("-o", "--out", type=Path, metavar="OUT.wav", help="a WAV, FLAC or OGG file, or a folder (default: NAME_SONG.wav here)")
    sing.add_argument("--key", default="auto", metavar="auto|N", help="semitones; auto moves the song into the voice's own range, by whole octaves if there is a backing")
    sing.add_argument("--backing", type=Path, metavar="FILE", help="accompaniment that starts together with the song")
    sing.add_argument("--balance", type=float, metavar="DB", help="loudness of the voice over the backing (default: the style's; plain has 2)")
    sing.add_argument("--style", default="plain", metavar="STYLE", help="plain, pop, ballad, choir or speech: tone, compression, reverb and ducking (default: %(default)s)")

    say = command("say", _run_say, "Say a text in a cloned voice.", where, knobs)
    say.add_argument("name", metavar="NAME", help="the voice")
    say.add_argument("text", metavar="TEXT", help="what it says")
    say.add_argument("-o", "--out", type=Path, metavar="OUT.wav", help="a WAV, FLAC or OGG file (default: NAME_says.wav here)")
    say.add_argument("--rate", type=int, default=150, metavar="N", help="words per minute (default: %(default)s)")

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

    options = {key: getattr(args, key) for key in ("key", "backing", "balance", "style", "clarity", "retrieval", "formant")}
    if args.backing:
        load_audio(args.backing)  # a bad backing is found before a long song is sung
    if bool(args.songs) == bool(args.score):
        raise InputError("Name either recordings to sing from or a --score, not both; see `vcutils sing --help`.")
    if args.score:
        return {"voice": voice.name, "songs": [_sing_score(args, voice, options)], "skipped": []}
    with tempfile.TemporaryDirectory() as unpacked:
        songs = find_recordings(args.songs, unpack_to=unpacked)
        outs = _outputs(args, songs)
        sung, skipped = [], []
        for song, out in zip(songs, outs):
            try:
                sung.append(_sing(voice, song, out, **options))
            except InputError as error:
                if len(songs) == 1:
                    raise
                skipped.append({"file": str(song), "why": str(error)})
                print(f"Skipped: {error}")
    if not sung:
        raise InputError(f"None of the {len(songs)} songs can be sung; the first: {skipped[0]['why']}")
    return {"voice": voice.name, "songs": sung, "skipped": skipped}


def _sing_score(args, voice, options):
    """A score instead of a recording."""
    from vcutils.generate import load_singer
    from vcutils.perform import perform
    from vcutils.score import read_score

    (out,) = _outputs(args, [args.score])
    score = read_score(args.score, lyrics=args.lyrics, language=args.language, track=args.track)
    manner = {}
    for item in args.perform:
        key, _, value = item.partition("=")
        known = perform.__kwdefaults__
        if key not in known:
            raise InputError(f"--perform {item}: there is no '{key}'; choose from {', '.join(known)}.")
        try:
            manner[key] = type(known[key])(value)
        except ValueError as error:
            raise InputError(f"--perform {item} does not fit; {key} is a number such as {known[key]}.") from error
    for message in score.messages:
        print(message)
    return {**_sing(voice, args.score, out, song=perform(score, config=load_singer(voice)[0].config, **manner), **options), "notes": list(score.messages)}


def _run_say(args):
    voice = open_voice(args.name, workspace=args.workspace)
    voice.require("train")
    from vcutils.generate import load_singer
    from vcutils.perform import say

    args.songs = []
    (out,) = _outputs(args, [Path("says")])
    model, *_ = load_singer(voice)
    song = say(args.text, config=model.config, language=args.language, rate=args.rate, f0_range=model.f0_range)
    return {"voice": voice.name, **_sing(voice, None, out, song=song, key=0, clarity=args.clarity, retrieval=args.retrieval, formant=args.formant)}


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
    from vcutils.dsp.audio import AUDIO_SUFFIXES, WRITABLE_SUFFIXES

    folder = len(songs) > 1 or any(path.is_dir() for path in args.songs)
    if folder and (args.out is None or args.out.suffix.lower() in AUDIO_SUFFIXES):
        raise InputError(f"{len(songs)} songs need a folder to go into; add -o FOLDER.")
    if args.out is None:
        return [Path(f"{args.name}_{songs[0].stem}.wav")]
    if not folder and not args.out.is_dir():
        if args.out.suffix.lower() not in WRITABLE_SUFFIXES:
            raise InputError(f"{args.out} cannot be written: its name must end in {', '.join(WRITABLE_SUFFIXES)}.")
        return [args.out]
    outs = [args.out / f"{song.stem}.wav" for song in songs]
    written = [path for out in outs for path in ([out, _voice_alone(out)] if args.backing else [out])]
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
    print(f"Step {history[-1]['step']}: held-out score {history[-1]['held_out']:.3f}; hear {preview}", file=sys.stderr, flush=True)


def _sing(voice, path, out, *, song=None, key="auto", backing=None, balance=None, style="plain", clarity=None, retrieval=None, formant=0.0):
    """Steps 4 and 5: `out`, with a backing the voice alone beside it, and where they come from in `out`.json.

    What is sung is the recording `path`, or `song` if that is made already.
    """
    for written in [out, _voice_alone(out)] if backing else [out]:
        for given, what in ((path, "the song"), (backing, "the backing")):
            if given and written.resolve() == Path(given).resolve():
                raise InputError(f"{written} is {what} itself; choose another name for the result.")
    from vcutils.generate import convert
    from vcutils.postprocess import as_files, check_settings, finish

    finishing = {} if balance is None else {"balance_db": balance}
    balance = check_settings(style, **finishing)["balance_db"]  # before the song is sung, which may take long
    began, progress = time.monotonic(), sys.stderr.isatty()
    if backing and key == "auto":
        key = "octave"  # any other key would clash with the backing
    knobs = {name: value for name, value in (("clarity", clarity), ("retrieval", retrieval)) if value is not None}
    sung = convert(voice, song or path, key=key, formant=formant, progress=progress, **knobs)
    if progress:
        print("Finishing ...", file=sys.stderr)
    about, files = {**sung["about"], "backing": None}, {}
    styled = {**about, "settings": {**about["settings"], "style": style}}
    if backing:
        files = as_files(_voice_alone(out), *finish(sung["y"], sr=sung["sr"]), about=about)  # plain, to be measured or mixed elsewhere
        styled["settings"]["balance"] = balance
        styled["backing"] = {"file": backing.name, "sha256": sha256(backing)}
    files |= as_files(out, *finish(sung["y"], sr=sung["sr"], backing=backing, style=style, **finishing), about=styled)
    write_together(files)
    seconds, length = time.monotonic() - began, len(sung["y"]) / sung["sr"]
    print(f"{sung['message']}\n{out}: {length:.1f} s, made in {seconds:.1f} s")
    return {"output": str(out), "source": str(path or "text"), "key": sung["key"], "message": sung["message"], "length": length, "seconds": round(seconds, 2)}


def _voice_alone(out):
    """Where the voice without the backing goes."""
    return out.with_stem(f"{out.stem}_voice")


def _report(voice, out, song, page):
    """Step 6: the table on the terminal and the page."""
    voice.require("train")
    from vcutils.dsp.audio import load_audio
    from vcutils.model import load_model
    from vcutils.postprocess import read_provenance
    from vcutils.results import format_table, split_recordings, write_report

    model = load_model(voice.model)
    sr = model.config.sr
    made = read_provenance(out)
    if song.is_file() and (made.get("source") or {}).get("sha256", sha256(song)) != sha256(song):
        raise InputError(f"{out} was sung from another file, '{made['source']['file']}', than {song}; give that one as --source.")
    alone = _voice_alone(out) if made.get("backing") else out  # only the voice alone can be measured
    result, source = load_audio(alone, sr=sr)[0], load_audio(song, sr=sr)[0]
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
            "Song": song.name,
            "Model": f"SHA-256 {sha256(voice.model)}",
            "Settings": ", ".join(f"{key} {value}" for key, value in made.get("settings", {}).items()) or "unknown",
            "Made with": f"vcutils {made.get('vcutils', vcutils.__version__)}",
        },
    )
    print(format_table(rows))
    return {"report": str(page), "rows": rows}
