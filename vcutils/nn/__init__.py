"""What learns. Importing this imports TensorFlow, which takes seconds."""
import os

from vcutils.files import quiet_stderr

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
with quiet_stderr():  # while loading it writes notes whatever its log level says
    import tensorflow
    import keras  # noqa: F401

    tensorflow.config.list_physical_devices()  # the search for a GPU chatters too
