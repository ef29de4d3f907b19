"""The package: what it asks for can be had everywhere, what it ships is complete, and what the README says is what CI runs."""
import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import vcutils

ROOT = Path(vcutils.__file__).resolve().parent.parent
if not (ROOT / "pyproject.toml").is_file():
    pytest.skip("these tests are about a clone, not an installed package", allow_module_level=True)

pytestmark = pytest.mark.integration
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MANDATORY = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = {name: [Requirement(line) for line in lines] for name, lines in PROJECT["optional-dependencies"].items()}
EXTRAS |= {name: [r for r in asked if r.name != "vcutils"] + [r for own in asked for extra in own.extras if own.name == "vcutils" for r in EXTRAS[extra]] for name, asked in EXTRAS.items()}
IMPORT_NAMES = {"swift-f0": "swift_f0", "ipython": "IPython", "espeakng-loader": "espeakng_loader"}
# Only these may load TensorFlow: what trains or generates.
HEAVY = ("vcutils.nn", "vcutils.train", "vcutils.generate", "vcutils.perform")


def modules():
    """Names and files of all modules."""
    for path in sorted((ROOT / "vcutils").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        yield name, path


def run_python(script, **kwargs):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, **kwargs).stdout


# ---- what it asks for

def imported_packages():
    found = set()
    for _, path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module] if isinstance(node, ast.ImportFrom) else []
            found |= {name.split(".")[0] for name in names}
    return found - set(sys.stdlib_module_names) - {"vcutils"}


def test_every_import_is_declared_and_every_dependency_is_imported():
    mandatory = {IMPORT_NAMES.get(r.name, r.name) for r in MANDATORY}
    optional = {IMPORT_NAMES.get(r.name, r.name) for r in EXTRAS["notebooks"] + EXTRAS["judge"] + EXTRAS["separate"]}
    assert imported_packages() <= mandatory | optional
    assert mandatory <= imported_packages()


RESOLUTIONS = {
    "Colab": ("3.13", ["manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64"], True),
    "newest, macOS": ("3.11", ["macosx_14_0_arm64", "macosx_12_0_arm64", "macosx_11_0_arm64"], False),
    "newest, Windows": ("3.13", ["win_amd64"], False),
}


@pytest.fixture(scope="module")
def resolutions(tmp_path_factory):
    """pip's resolvers, all at work at once, as each takes a quarter of a minute: (process, its report)."""
    found = {}
    for where, (python, platforms, colab) in RESOLUTIONS.items():
        folder = tmp_path_factory.mktemp("resolution")
        report = folder / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--only-binary=:all:", "--quiet",
                   "--target", folder, "--report", report, "--python-version", python]
        command += [f"--platform={platform}" for platform in platforms]
        command += ["-c", ROOT / "constraints-colab.txt"] if colab else []
        command += [str(r) for r in MANDATORY + EXTRAS["notebooks"]]
        found[where] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True), report
    yield found
    for process, _ in found.values():
        process.kill()


@pytest.mark.parametrize("where", RESOLUTIONS)
def test_the_ranges_admit_colabs_versions_and_the_newest_and_need_no_compiler(where, resolutions):
    process, report = resolutions[where]
    errors = process.communicate()[1]
    if "connection" in errors.lower() or "resolve host" in errors.lower():
        pytest.skip("the package index cannot be reached")
    assert process.returncode == 0, errors
    colab = RESOLUTIONS[where][2]
    versions = {i["metadata"]["name"].lower(): Version(i["metadata"]["version"]) for i in json.loads(report.read_text(encoding="utf-8"))["install"]}
    if colab:
        for line in (ROOT / "constraints-colab.txt").read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                pinned = Requirement(line)
                assert pinned.specifier.contains(versions[pinned.name]), (pinned, versions[pinned.name])
    else:
        for name, at_least in (("tensorflow", "2.21"), ("keras", "3.15"), ("numpy", "2.4"), ("ipywidgets", "8.1")):
            assert versions[name] >= Version(at_least)  # no range holds a newer release back


def test_colabs_python_is_supported():
    for python in ("3.11", "3.12", "3.13"):
        assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(python)


def test_conda_takes_its_versions_from_pyproject():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    wanted = re.findall(r"^ +- (.+)$", text, re.MULTILINE)
    assert wanted == ["conda-forge", f"python{PROJECT['requires-python']}", "pip", "pip:", "-e .[notebooks,test]"]


# ---- what importing costs

def test_only_what_trains_or_generates_imports_tensorflow():
    light = [name for name, _ in modules() if not name.startswith(HEAVY) and not name.endswith("__main__")]
    assert len(light) > 15
    for names in (["vcutils"], light):
        script = f"import sys, importlib\nfor name in {names}: importlib.import_module(name)\nprint(sorted({{'tensorflow', 'keras'}} & set(sys.modules)))"
        assert run_python(script) == "[]\n"


def test_importing_tensorflow_is_quiet():
    said = subprocess.run([sys.executable, "-c", "import vcutils.nn"], capture_output=True, text=True)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


# ---- what it ships

@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pytest.importorskip("hatchling", reason="the extra 'test' is not installed")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_every_module_the_data_and_the_licence(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {path.relative_to(ROOT).as_posix() for _, path in modules()} <= names
    data = {path for folder in ("voices", "songs", "models") for path in (ROOT / "data" / folder).rglob("*") if path.is_file()}
    assert len(data) == 72
    assert {"vcutils/_data/" + path.relative_to(ROOT / "data").as_posix() for path in data | {ROOT / "data" / "README.md"}} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "data/")) or "__pycache__" in name]
    assert wheel.stat().st_size < 12e6


def test_the_version_stands_in_one_place(wheel):
    assert wheel.name.split("-")[1] == vcutils.__version__
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith("METADATA")]
        text = archive.read(metadata).decode()
    assert f"\nVersion: {vcutils.__version__}\n" in text and "\nLicense-Expression: MIT\n" in text


def test_an_unpacked_wheel_finds_its_data(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nfrom vcutils.demo import *\nprint(demo_voice('rms')); print(*demo_song())"
    for path in run_python(script, cwd=tmp_path).split():
        assert Path(path).is_relative_to(tmp_path / "vcutils" / "_data") and Path(path).exists()


def test_the_installed_command_is_this_one():
    try:
        (script,) = importlib.metadata.entry_points(group="console_scripts", name="vcutils")
    except ValueError:
        pytest.skip("vcutils is not installed here")
    from vcutils.cli import run

    assert script.load() is run


# ---- what it says

def test_every_public_function_has_a_docstring_with_an_example():
    lacking = []
    for name, path in modules():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                text = ast.get_docstring(node) or ""
                lacking += [f"{name}.{node.name}"] * (">>>" not in text)
    assert lacking == []


def test_ci_runs_the_readmes_own_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^```sh\n(.*?)\n```$", readme, re.MULTILINE | re.DOTALL)
    assert "vcutils demo" in commands[0] and "pip install" in commands[0] and "pytest" in commands[1]
    assert "\n" not in commands[0] + commands[1]  # one line each
    ci = subprocess.run(["bash", ROOT / ".ci" / "run", "--print"], capture_output=True, text=True, check=True).stdout
    assert ci.splitlines() == commands[:2]


def test_the_readme_is_finished_and_its_links_lead_somewhere():
    for path in (ROOT / "README.md", ROOT / "data" / "README.md"):
        text = path.read_text(encoding="utf-8")
        assert "PLACEHOLDER" not in text
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            assert (path.parent / target).exists(), target
