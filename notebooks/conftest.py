"""How pytest runs the notebooks (nbval): on voices of their own, never on the learner's, and with a short training."""
import os
import tempfile
from pathlib import Path

import pytest

_WORKSPACE = pytest.StashKey[tempfile.TemporaryDirectory]()


def pytest_configure(config):
    config.stash[_WORKSPACE] = tempfile.TemporaryDirectory()
    os.environ["VCUTILS_WORKSPACE"] = config.stash[_WORKSPACE].name
    os.environ.setdefault("VCUTILS_PRESET", "short")


def pytest_unconfigure(config):
    config.stash[_WORKSPACE].cleanup()


def pytest_collection_modifyitems(items):
    """`-m "not integration"` leaves the notebooks out."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.integration)
