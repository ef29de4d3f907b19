"""The notebooks as pages: what each has to have, and what its stored outputs may not have. pytest runs them, too: see notebooks/conftest.py."""
import ast
import json
import re
import statistics
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "notebooks"
NAMES = "00_start_here 01_collect 02_preprocess 03_train 04_generate 05_postprocess 06_results".split()
COLAB = "https://colab.research.google.com"
CLOSING = ["Checkpoint", "Exercises", "Quiz", "Recap"]
PLACEHOLDERS = r"TIME_\w+|TODO|FIXME|XXX|TBD"


class Notebook:
    def __init__(self, name):
        self.name, self.path = name, FOLDER / f"{name}.ipynb"
        self.cells = json.loads(self.path.read_text(encoding="utf-8"))["cells"]
        for cell in self.cells:
            cell["source"] = "".join(cell["source"])
        self.code = [cell for cell in self.cells if cell["cell_type"] == "code"]
        self.markdown = "\n\n".join(cell["source"] for cell in self.cells if cell["cell_type"] == "markdown")

    def section(self, title):
        """Its markdown, and the sources of its code cells."""
        text, code, inside = "", [], False
        for cell in self.cells:
            if cell["cell_type"] == "code":
                code += [cell["source"]] * inside
                continue
            for part in re.split(r"^(?=## )", cell["source"], flags=re.MULTILINE):
                inside = part.startswith(f"## {title}") or inside and not part.startswith("## ")
                text += part * inside + "\n\n" * inside
        return text, code

    def outputs(self):
        """Every output, with its text or HTML; no picture is in it, as its data would match anything."""
        for cell in self.code:
            for output in cell["outputs"]:
                data = output.get("data", {})
                text = "".join(output.get("text", "")) + "".join("".join(data.get(kind, "")) for kind in ("text/html", "text/plain"))
                yield output, re.sub(r"(data:image/\w+;base64),[^\"']*", r"\1", text)


@pytest.fixture(params=NAMES)
def notebook(request):
    return Notebook(request.param)


def tree(source):
    """Python's view of a cell; a line for IPython counts as nothing."""
    return ast.parse(re.sub(r"^(\s*)[%!].*", r"\1pass", source, flags=re.MULTILINE))


def calls(source, name):
    """The calls of a function: the keywords of each."""
    for node in ast.walk(tree(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", None)) == name:
            yield {keyword.arg for keyword in node.keywords}


def test_there_are_seven_with_one_setup_cell():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES
    assert len({Notebook(name).cells[1]["source"] for name in NAMES}) == 1


# ---- what a page has

def test_it_opens_with_badge_title_promise_and_box(notebook):
    badge, title, promise, box = notebook.cells[0]["source"].split("\n\n", 3)
    link = f"{COLAB}/github/vcutils/vcutils/blob/main/notebooks/{notebook.name}.ipynb"
    assert badge == f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({link})"
    assert re.fullmatch(rf"# {int(notebook.name[:2])} · \S.*", title)
    assert promise.endswith(".") and ". " not in promise  # one sentence
    assert all(line.startswith(">") for line in box.splitlines())
    assert 3 <= len(re.findall(r"^> - [a-z]", box, re.MULTILINE)) <= 4
    for word in ("You will", "You need", "Time", "Reads", "Writes"):
        assert f"**{word}**" in box
    assert re.search(r"\*\*Time\*\*.*\d+ minutes.*\d+ (s|minutes?)\b.*CPU.*GPU", box)
    assert "course.check_setup()" in notebook.cells[1]["source"]


def test_its_sections_are_in_order(notebook):
    titles = re.findall(r"^## (.+)$", notebook.markdown, re.MULTILINE)
    numbered = titles[: -len(CLOSING)]
    assert titles[len(numbered) :] == CLOSING
    assert 3 <= len(numbered) <= 7
    assert all(title.startswith(f"{i}. ") for i, title in enumerate(numbered, 1))


def test_its_code_cells_are_short(notebook):
    lines = [len(cell["source"].splitlines()) for cell in notebook.code]
    assert max(lines) <= 15 and min(lines) >= 1
    assert statistics.median(lines) <= 7


def test_its_checkpoint_says_what_to_do(notebook):
    source = "\n".join(notebook.section("Checkpoint")[1])
    asserts = [node for node in ast.walk(tree(source)) if isinstance(node, ast.Assert)]
    assert asserts and all(node.msg for node in asserts)
    assert re.search(r'^print\(f?"Checkpoint passed: ', source, re.MULTILINE)


def test_its_exercises_can_be_checked(notebook):
    text, code = notebook.section("Exercises")
    open_answers = [source for source in code if re.search(r"^\w+ = \.\.\.", source, re.MULTILINE)]
    assert 2 <= len(open_answers) <= 3
    assert all(list(calls(source, "check")) for source in open_answers)
    assert text.count("<summary>Hint</summary>") == text.count("<summary>Solution</summary>") == len(open_answers)


def test_its_quiz_has_three_questions_with_one_right_answer_each(notebook):
    text, code = notebook.section("Quiz")
    _, *questions = re.split(r"^\*\*(?=\d\. )", text, flags=re.MULTILINE)
    assert not code and [question[:2] for question in questions] == ["1.", "2.", "3."]
    for question in questions:
        answers = re.findall(r"<details><summary>([ABC])\. .+?</summary>\n\n(.+?)\n\n</details>", question, re.DOTALL)
        assert [letter for letter, _ in answers] == ["A", "B", "C"]
        assert question.count("**Right.**") == sum(why.startswith("**Right.** ") for _, why in answers) == 1
        assert all(len(why.split()) > 4 for _, why in answers)


def test_its_recap_leads_to_the_next(notebook):
    lines = notebook.section("Recap")[0].strip().splitlines()
    assert 3 <= sum(line.startswith("- ") for line in lines) <= 5
    following = dict(pairwise(NAMES)).get(notebook.name)
    if following:
        assert re.fullmatch(rf"\[Next: {int(following[:2])} · .+\]\({following}\.ipynb\)", lines[-1])


def test_its_links_lead_somewhere(notebook):
    links = re.findall(r"\]\(([^)\s]+)\)", notebook.markdown) + re.findall(r"(?:src|href)=[\"']([^\"']+)", notebook.markdown)
    for link in links:
        if not re.match(r"https://|#", link):
            path = (FOLDER / link.split("#")[0]).resolve()
            assert path.exists() and path.is_relative_to(ROOT), link


def test_its_markdown_shows_as_meant(notebook):
    assert notebook.markdown.count("<details>") == notebook.markdown.count("</details>")
    for line in notebook.markdown.splitlines():
        if line.startswith("<details"):  # Markdown is not read in a line that starts with HTML
            assert "`" not in line and "**" not in line, line
    for cell in notebook.cells:
        assert not re.search(PLACEHOLDERS, cell["source"])


# ---- what its code does

def test_every_figure_and_sound_is_described(notebook):
    for cell in notebook.code:
        assert all({"alt", "caption"} <= keywords for keywords in calls(cell["source"], "show"))
        assert all("caption" in keywords for keywords in calls(cell["source"], "listen"))
        assert not list(calls(cell["source"], "Audio"))
        assert "plt.show(" not in cell["source"]
    every = [cell["source"] for cell in notebook.code]
    assert any(list(calls(source, "show")) for source in every) and any(list(calls(source, "listen")) for source in every)


def test_it_imports_what_is_installed_with_vcutils(notebook):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {Requirement(line).name for line in project["dependencies"] + project["optional-dependencies"]["notebooks"]}
    known = {{"ipython": "IPython"}.get(name, name.replace("-", "_")) for name in declared} | {"vcutils"} | set(sys.stdlib_module_names)
    for cell in notebook.code:
        for node in ast.walk(tree(cell["source"])):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= known


# ---- what is stored of a run

def test_it_was_run_from_top_to_bottom_without_a_complaint(notebook):
    assert [cell["execution_count"] for cell in notebook.code] == list(range(1, len(notebook.code) + 1))
    for output, text in notebook.outputs():
        assert output["output_type"] != "error" and output.get("name") != "stderr"
        assert not re.search(r"Warning|Traceback", text), text


def test_its_stored_figures_have_words_and_its_sound_is_left_out(notebook):
    assert notebook.path.stat().st_size < 1.5e6
    shown = notebook.markdown + "".join(text for _, text in notebook.outputs())
    assert all(re.search(r'\balt="[^"]+"', tag) for tag in re.findall(r"<img\b[^>]*>", shown))
    assert "![](" not in shown
    assert "data:image" in shown and "data:audio" not in shown
    for output, _ in notebook.outputs():
        assert not any(kind.startswith("image/") for kind in output.get("data", {})), "show it with `show`, which asks for a text"
