"""Writing files so that none is ever half-written, and naming them by content."""
import errno
import hashlib
import json
import os
import signal
import threading
import time
import tokenize
import uuid
import zipfile
import zlib
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from vcutils.errors import InputError

# what np.load raises at a file that is damaged, or made to do harm
DAMAGED = (
    OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error, tokenize.TokenError,
)  # fmt: skip
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # Windows has no quota of that kind
_stderr_lock, _stderr_users, _stderr = threading.Lock(), 0, None


@contextmanager
def atomic_path(path):
    """Give a temporary path beside `path`; rename it onto `path` if the block succeeds.

    Parameters
    ----------
    path : str or Path
        Where the finished file goes. Missing folders are made.

    Yields
    ------
    Path
        The temporary path, with the same suffix, so that writers that look at it work.

    Raises
    ------
    InputError
        If the disk is full or the folder cannot be written to. Nothing is left behind.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_path(folder / "note.txt") as tmp:
    ...     _ = tmp.write_text("whole or not at all")
    >>> (folder / "note.txt").read_text()
    'whole or not at all'
    """
    path = Path(path)
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder; choose another name for the file.")
    tmp = path.parent / f".part-{uuid.uuid4().hex}{path.suffix}"  # named before it is made, so that nothing can come between
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tmp.touch()
        yield tmp
        os.replace(tmp, path)
    except OSError as error:
        if error.errno in _FULL:
            raise InputError(f"The disk is full: {path} could not be written; free some space and run again.") from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EINVAL):
            raise InputError(f"{path} cannot be written ({error.strerror}); choose another folder or name.") from error
        raise
    finally:
        with suppress(OSError):
            tmp.unlink(missing_ok=True)


@contextmanager
def hold_ctrl_c():
    """Let a block run to its end before Ctrl-C stops the program.

    Yields
    ------
    callable
        Call it, without arguments, where the block may be left: it raises KeyboardInterrupt if Ctrl-C was pressed.

    Examples
    --------
    >>> with hold_ctrl_c() as may_stop:
    ...     for part in ("one", "two"):
    ...         may_stop()
    """
    pressed = []

    def may_stop():
        if pressed:
            raise KeyboardInterrupt

    # Only the main thread is interrupted, and whoever deals with Ctrl-C in a way of their own is left alone.
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield may_stop
        return
    try:
        signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
        yield may_stop
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    may_stop()


def write_together(contents):
    """Write files that belong together: all of them, or none.

    Parameters
    ----------
    contents : dict of Path to bytes-like
        In the order in which they get their names.

    Raises
    ------
    InputError
        As `atomic_path`.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_together({folder / "a.wav": b"sound", folder / "a.wav.json": b"{}"})
    >>> sorted(path.name for path in folder.iterdir())
    ['a.wav', 'a.wav.json']
    """
    with ExitStack() as files:
        for path, content in reversed(contents.items()):  # the last to be opened is the first to be closed
            files.enter_context(atomic_path(path)).write_bytes(content)
        with hold_ctrl_c():
            files.close()


def write_json(path, content):
    """Write `content` as readable JSON, whole or not at all.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.json"
    >>> write_json(path, {"seconds": 3})
    >>> read_json(path)
    {'seconds': 3}
    """
    write_together({path: as_json(content)})


def as_json(content):
    """The bytes that `write_json` writes.

    Examples
    --------
    >>> as_json([1])
    b'[\\n 1\\n]\\n'
    """
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode(errors="replace")  # a file's name need not be Unicode


def read_json(path, *, mend="delete it and run the step again"):
    """Read a JSON file.

    Parameters
    ----------
    path : str or Path
    mend : str
        What to do if it is damaged, for the message.

    Raises
    ------
    InputError
        If the file is not JSON or may not be read.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.json"
    >>> _ = path.write_text('["a", 1]')
    >>> read_json(path)
    ['a', 1]
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except PermissionError as error:
        raise InputError(f"{path} cannot be opened ({error.strerror}); allow reading it.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        at = f", line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(f"{path} is damaged (not JSON{at}); {mend}.") from error


def sha256(path):
    """SHA-256 of a file's bytes, as 64 hex digits.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "empty"
    >>> path.touch()
    >>> sha256(path)[:8]
    'e3b0c442'
    """
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


@contextmanager
def quiet_stderr():
    """Keep libraries written in C, which know nothing of `sys.stderr`, from writing notes into the terminal.

    Examples
    --------
    >>> with quiet_stderr():
    ...     _ = os.write(2, b"a note that nobody asked for")
    """
    global _stderr, _stderr_users
    with _stderr_lock:  # the first thread closes it, the last one opens it again
        _stderr_users += 1
        if _stderr_users == 1:
            try:
                _stderr = os.dup(2)
            except OSError:  # no terminal at all
                _stderr = None
            else:
                with open(os.devnull, "wb") as nowhere:
                    os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        with _stderr_lock:
            _stderr_users -= 1
            if _stderr_users == 0 and _stderr is not None:
                os.dup2(_stderr, 2)
                os.close(_stderr)


def remove_leftovers(folder):
    """Delete what `atomic_path` was writing in a folder when the process was killed, an hour ago or more.

    Parameters
    ----------
    folder : Path
        What is younger may be of another process that is at work there, and stays.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / ".part-x.npz").touch()
    >>> os.utime(folder / ".part-x.npz", (0, 0))
    >>> remove_leftovers(folder)
    >>> list(folder.iterdir())
    []
    """
    for leftover in Path(folder).glob(".part-*"):
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > 3600:
                leftover.unlink()
