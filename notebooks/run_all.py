"""Run all notebooks in order, as "Run All" does, in a folder of their own, and keep their outputs: figures and text, no sound.

    python notebooks/run_all.py [01 04 ...]

Prints how long each took. Needs the extra "test" (nbval brings nbclient).
"""
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError

HERE = Path(__file__).parent
PLAYER = re.compile(r"<audio .*?</audio>")


def keep(output, folder):
    """What is stored of an output: no sound, no widget, which are nothing without a kernel, and no path of this computer."""
    if "text" in output:
        output.text = output.text.replace(str(folder), "~/vcutils/notebooks")
    if "data" not in output:
        return output
    if "application/vnd.jupyter.widget-view+json" in output.data:
        return None
    if "text/html" in output.data:
        output.data["text/html"] = PLAYER.sub("<small>(run the cell to listen)</small>", output.data["text/html"])
    return output


def run(path, folder):
    for attempt in range(4):
        notebook = nbformat.read(path, 4)
        try:
            # nbclient now and then waits for ever where a widget holds sound (github.com/jupyter/nbclient/issues/312): begin anew
            limit = lambda cell: 120 if "interact(" in cell.source else 1800  # noqa: E731
            NotebookClient(notebook, timeout_func=limit, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
            break
        except CellTimeoutError:
            if attempt == 3:
                raise
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [kept for output in cell.outputs if (kept := keep(output, folder))]
    notebook.metadata.pop("widgets", None)
    nbformat.write(notebook, path)


if __name__ == "__main__":
    os.environ.pop("VCUTILS_WORKSPACE", None)  # the voices go into the folder
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(HERE.glob("[0-9]*.ipynb")):
            if not sys.argv[1:] or path.name[:2] in sys.argv[1:]:
                started = time.monotonic()
                run(path, Path(folder).resolve())
                print(f"{path.name}: {time.monotonic() - started:.0f} s, {path.stat().st_size / 1e6:.2f} MB", flush=True)
    print(f"all: {(time.monotonic() - began) / 60:.1f} min")
