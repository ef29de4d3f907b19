"""Writing files so that none is ever half-written, and naming them by content."""
import errno
import hashlib
import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

from vcutils.errors import InputError


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
    tmp = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-", suffix=path.suffix)
        os.close(handle)
        tmp = Path(name)
        yield tmp
        tmp.chmod(0o666 & ~_UMASK)  # mkstemp makes private files
        os.replace(tmp, path)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise InputError(f"The disk is full: {path} could not be written; free some space and run again.") from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
            raise InputError(f"{path} cannot be written ({error.strerror}); choose another folder.") from error
        raise
    finally:
        if tmp is not None:
            tmp.unlink(missing_ok=True)


_UMASK = os.umask(0)
os.umask(_UMASK)


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
    with atomic_path(path) as tmp:
        tmp.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path):
    """Read a JSON file.

    Raises
    ------
    InputError
        If the file is not JSON.

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
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged (not JSON); delete it and run the step again.") from error


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
    try:
        stderr = os.dup(2)
    except OSError:  # no terminal at all
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def remove_leftovers(folder):
    """Delete what `atomic_path` was writing in a folder when the process was killed.

    Parameters
    ----------
    folder : Path

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / ".part-x.npz").touch()
    >>> remove_leftovers(folder)
    >>> list(folder.iterdir())
    []
    """
    for leftover in Path(folder).glob(".part-*"):
        leftover.unlink(missing_ok=True)
