"""What learns. Importing this imports TensorFlow, which takes seconds."""
import contextlib
import os
import sys


@contextlib.contextmanager
def _quiet_stderr():
    """TensorFlow's C++ part writes to the process's stderr while loading, whatever its log level says."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
with _quiet_stderr():
    import tensorflow  # noqa: F401
    import keras  # noqa: F401

    tensorflow.config.list_physical_devices()  # the search for a GPU chatters too
