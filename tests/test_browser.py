"""The notebooks in a real browser: JupyterLab in headless Chromium runs them, records with a fake microphone, moves a slider.

Needs the extra `test-browser` and a Chromium (Debian: `apt-get install chromium`). As a script it takes pictures:

    python tests/test_browser.py FOLDER [01_collect ...]     # runs notebooks, writes FOLDER/01_collect_1.png and so on
"""
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import pytest
import soundfile as sf

from vcutils.collect import check_recording
from vcutils.demo import demo_voice
from vcutils.dsp.audio import load_audio, save_audio

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytest.importorskip("playwright", reason="the extra 'test-browser' is not installed")
pytest.importorskip("jupyterlab", reason="the extra 'notebooks' is not installed")
if CHROMIUM is None:
    pytest.skip("there is no Chromium here (Debian: apt-get install chromium)", allow_module_level=True)
if not NOTEBOOKS.is_dir():
    pytest.skip("these tests are about a clone, not an installed package", allow_module_level=True)

from playwright.sync_api import sync_playwright  # noqa: E402

pytestmark = pytest.mark.integration

SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},  # else cells out of sight do not exist
}
RUN_ALL = """async () => {
  const session = jupyterapp.shell.currentWidget.context.sessionContext;
  await session.ready;
  await session.session.kernel.info;
  jupyterapp.commands.execute("notebook:run-all-cells").then(() => { window.ran = true });
}"""
FAULTS = ["application/vnd.jupyter.error", "application/vnd.jupyter.stderr"]


@contextlib.contextmanager
def jupyterlab(folder, *, theme="Light"):
    """JupyterLab on a copy of the notebooks in `folder`, knowing nothing of the user's settings; gives its address."""
    root = shutil.copytree(NOTEBOOKS, folder / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints", "workspace", "my_recordings"))
    for name, content in {**SETTINGS, "apputils-extension/themes": {"theme": f"JupyterLab {theme}"}}.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    env = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime", "JUPYTERLAB_SETTINGS_DIR": "settings"}
    env |= {"JUPYTERLAB_WORKSPACES_DIR": "workspaces", "IPYTHONDIR": "ipython", "VCUTILS_WORKSPACE": "workspace"}
    env = {name: str(folder / sub) for name, sub in env.items()}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.port=0", "--LabApp.expose_app_in_browser=True"]
    with open(folder / "server.log", "w") as log:
        server = subprocess.Popen(
            [*command, f"--ServerApp.root_dir={root}"], env={**os.environ, "VCUTILS_PRESET": "smoke", **env}, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 60
        while not (found := list((folder / "runtime").glob("jpserver-*.json"))):
            assert server.poll() is None and time.monotonic() < deadline, (folder / "server.log").read_text()
            time.sleep(0.2)
        about = json.loads(found[0].read_text())
        yield f"{about['url']}doc/tree/{{}}.ipynb?token={about['token']}"
    finally:
        server.terminate()
        server.wait(30)


@contextlib.contextmanager
def browser(microphone=None):
    """A page in Chromium; `microphone` is the WAV file that its fake microphone hears."""
    fake = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={microphone}"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=fake if microphone else [])
        try:
            page = chromium.new_page(viewport={"width": 1100, "height": 1200})
            page.set_default_timeout(60_000)
            yield page
        finally:
            chromium.close()


def run_notebook(page, address, name):
    """Open a notebook, run all its cells, and return what its outputs complain of."""
    page.goto(address.format(name))
    page.wait_for_function("window.jupyterapp?.shell.currentWidget?.context?.isReady")
    page.evaluate(RUN_ALL)
    page.wait_for_function("window.ran", timeout=300_000)
    return [text for kind in FAULTS for text in page.locator(f'[data-mime-type="{kind}"]').all_inner_texts()]


def screenshot_notebook(page, name, folder):
    """Pictures of the whole open notebook, each 3000 pixels high; returns their paths."""
    page.evaluate("document.activeElement?.blur()")
    inner = page.locator(".jp-WindowedPanel-inner").first
    page.set_viewport_size({"width": 1100, "height": min(15_000, inner.evaluate("e => Math.ceil(e.scrollHeight)") + 150)})
    inner.evaluate("e => e.scrollIntoView()")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    height = page.viewport_size["height"]
    paths = []
    for top in range(0, height, 3000):
        paths.append(Path(folder) / f"{name}_{len(paths) + 1}.png")
        page.screenshot(path=paths[-1], clip={"x": 0, "y": top, "width": 1100, "height": min(3000, height - top)})
    return paths


@pytest.fixture(scope="module")
def microphone(tmp_path_factory):
    """What the fake microphone hears, over and over: a sentence of the demo voice."""
    y, _ = load_audio(sorted(demo_voice("slt").iterdir())[0], sr=48000)
    return save_audio(tmp_path_factory.mktemp("microphone") / "sentence.wav", 0.8 * y, 48000)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    with jupyterlab(folder) as address:
        yield folder, address


def test_a_take_and_an_upload_arrive_as_they_were(lab, microphone):
    folder, address = lab
    with browser(microphone) as page:
        assert run_notebook(page, address, "01_collect") == []
        recorder = page.locator(".vcutils-recorder")
        button = recorder.get_by_role("button", name="Record", exact=True)
        button.focus()
        page.keyboard.press("Space")  # all of it by keyboard
        recorder.get_by_text("Level: good.").wait_for()
        page.wait_for_function("parseFloat(document.querySelector('.vcutils-recorder .seconds').textContent) > 5")
        page.keyboard.press("Enter")
        recorder.get_by_text("Listen, then keep the take").wait_for()
        page.wait_for_function("document.querySelector('.vcutils-recorder audio').duration > 5")
        recorder.get_by_role("button", name="Keep").focus()
        page.keyboard.press("Enter")
        recorder.get_by_text("Sentence 2 of 20").wait_for()
        assert recorder.get_by_role("listitem").all_inner_texts()[0].startswith("Sentence 1, take 1: 5")
        assert page.evaluate("document.activeElement.textContent") == "Record"
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Choose files").click()
        chooser.value.set_files(microphone)
        page.get_by_text("In my_recordings: sentence.wav.").wait_for()
    path, upload = sorted((folder / "notebooks" / "my_recordings").iterdir())
    assert upload.read_bytes() == microphone.read_bytes()
    info = sf.info(path)
    assert (path.name, info.subtype, info.channels) == ("prompt_01_take_1.wav", "PCM_16", 1) and 5 < info.duration < 10
    heard, meant = check_recording(path), check_recording(microphone)
    assert heard["advice"] == []
    for key, tolerance in (("f0_median", 15), ("rms_db", 2), ("bandwidth_hz", 800)):  # the loop may stop anywhere in the sentence
        assert heard[key] == pytest.approx(meant[key], abs=tolerance), key


def test_a_refused_microphone_is_explained(lab):
    _, address = lab
    with browser() as page:  # without a fake microphone there is none, or none that is allowed
        run_notebook(page, address, "01_collect")
        recorder = page.locator(".vcutils-recorder")
        recorder.get_by_role("button", name="Record", exact=True).click()
        recorder.get_by_text("then press Record again").wait_for()


def test_a_slider_changes_the_sound(lab):
    _, address = lab
    with browser() as page:
        assert run_notebook(page, address, "04_generate") == []
        slider = page.locator(".widget-slider", has=page.locator("label", has_text="key")).first
        sounds = "() => [...document.querySelectorAll('audio')].map(audio => audio.src.length + audio.src.slice(-2000))"
        before = page.evaluate(sounds)
        assert before
        slider.locator(".noUi-handle, .ui-slider-handle").first.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function(f"before => {{ const now = ({sounds})(); return now.length && now.join() !== before }}", arg=",".join(before))


def test_stop_is_heard_while_a_cell_waits(lab):
    folder, address = lab
    cells = [
        "from functools import partial\nfrom vcutils import course\nfrom vcutils.config import preset\nfrom vcutils.train import train",
        "from vcutils.ui.live import LiveTraining\nvoice = course.your_voice(needs='preprocess')",
        "live = LiveTraining(partial(train, voice, config=preset('smoke', steps=100_000), progress=False))\nlive",
        "live.wait()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": {"name": "python3", "display_name": "3"}})
    nbformat.write(notebook, folder / "notebooks" / "live.ipynb")
    with browser() as page:
        page.goto(address.format("live"))
        page.wait_for_function("window.jupyterapp?.shell.currentWidget?.context?.isReady")
        page.evaluate(RUN_ALL)
        page.locator("audio").nth(1).wait_for(state="attached")  # two previews, while the last cell waits
        page.get_by_role("button", name="Stop", exact=True).click()
        page.get_by_text("InputError: Stopped by you at step").wait_for()
        page.get_by_role("button", name="Go on", exact=True).click()
        page.get_by_text(re.compile(r"^Step \d+ of \d+, .* left$")).wait_for()
        page.get_by_role("button", name="Stop", exact=True).click()
        page.locator(".jp-OutputArea").get_by_text(re.compile("^Stopped by you at step")).wait_for()


if __name__ == "__main__":
    out, names = Path(sys.argv[1]), sys.argv[2:] or sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as tmp, jupyterlab(Path(tmp)) as address:
        for name in names:
            with browser() as page:
                started = time.monotonic()
                faults = run_notebook(page, address, name)
                pictures = screenshot_notebook(page, name, out)
                print(f"{name}: {time.monotonic() - started:.0f} s, {len(pictures)} pictures", *faults, sep="\n  ")
