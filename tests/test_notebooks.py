"""Notebooks as files: pairs are equal, outputs are there and clean, figures have alt text, nothing hidden."""

import ast
import json
import re

import nbformat
import pytest
import yaml

from pipeline import chapters, execute, exercises, pages, render, repository

CHAPTERS = chapters.find()
REAL = sorted((chapters.ROOT / "book").glob("*/*.ipynb"))
FILES = [c.notebook for c in CHAPTERS] + REAL
LARGEST_KB = 1024
ROLE = re.compile(r"\{[a-z][\w:]*\}`|^:::|^```\{", re.MULTILINE)
PATH_OR_NETWORK = re.compile(r"https?://|open\(|urlopen|requests\.|[\"'](?:\.{1,2}/|~/|/\w+/\w)")
TRACE_OF_A_MACHINE = re.compile(r"/home/|/Users/|/root/|/tmp/|/content/|[A-Z]:\\\\|0x[0-9a-f]{6,}")

chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda c: c.name)
notebook = pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)


def code_cells(path):
    return [c for c in nbformat.read(path, 4).cells if c.cell_type == "code"]


def text_outputs(cell):
    for output in cell.outputs:
        yield output.get("text", "")
        yield from (v for k, v in output.get("data", {}).items() if k.startswith("text/"))


def test_there_are_chapters():
    assert CHAPTERS and all(c.notebook.is_file() for c in CHAPTERS)


@chapter
def test_the_notebook_is_made_of_the_source(chapter):
    def essence(notebook):
        return [(c.cell_type, c.source, c.id, c.metadata) for c in notebook.cells]

    committed = nbformat.read(chapter.notebook, 4)
    assert essence(committed) == essence(execute.pair(chapter)), "run `make book` and `make refresh`"
    assert committed.metadata == execute.pair(chapter).metadata


@notebook
def test_every_cell_ran_in_order_without_error(path):
    cells = code_cells(path)
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    assert not [o for c in cells for o in c.outputs if o.output_type == "error"]


@notebook
def test_outputs_are_clean(path):
    for cell in code_cells(path):
        assert not [o for o in cell.outputs if o.get("name") == "stderr"], f"a warning in:\n{cell.source}"
        for text in text_outputs(cell):
            text = re.sub(r"base64,[\w+/=]+", "", text)
            assert not TRACE_OF_A_MACHINE.search(text), f"a path or an address in the output of:\n{cell.source}"


@notebook
def test_size(path):
    assert path.stat().st_size <= LARGEST_KB * 1024


@notebook
def test_every_figure_has_alternative_text(path):
    for cell in code_cells(path):
        if any("image/png" in o.get("data", {}) for o in cell.outputs):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt) > 20, f"no alternative text on:\n{cell.source}"


@chapter
def test_parameters_are_typed_and_commented(chapter):
    (cell,) = (c for c in chapter.cells if "parameters" in c.metadata.get("tags", []))
    for node, line in zip(ast.parse(cell.source).body, cell.source.splitlines(), strict=True):
        assert isinstance(node, ast.AnnAssign) and "#" in line, line
    assert {"source", "profile", "seed", "recording"} <= set(chapter.parameters)
    assert (chapter.parameters["source"], chapter.parameters["profile"]) == ("simulated", "fast")


@chapter
def test_plain_markdown(chapter):
    for cell in chapter.cells:
        if cell.cell_type == "markdown":
            assert not ROLE.search(cell.source), f"Colab and GitHub do not render this:\n{cell.source}"


@chapter
def test_the_source_names_no_path_and_no_network(chapter):
    for cell in chapter.cells:
        if cell.cell_type == "code" and "find_spec" not in cell.source:
            found = re.search(PATH_OR_NETWORK, cell.source)
            assert not found, f"{found.group()} in:\n{cell.source}"


@chapter
def test_the_rhythm_of_a_chapter(chapter):
    code = [c.source for c in chapter.cells if c.cell_type == "code"]
    text = "\n".join(c.source for c in chapter.cells if c.cell_type == "markdown")
    assert 15 <= len(code) <= 25, f"15 to 25 code cells, here are {len(code)}"
    assert max(len(c.splitlines()) for c in code) <= 25, (
        "25 lines a cell at most; what is longer belongs in cardio_utils"
    )
    for needed in ("You will do:", "You will learn:", "You need:", "## Summary", "## Exercises", "## References"):
        assert needed in text, needed
    assert sum(c.count("check(") for c in code) >= 5, "each sentence that is drawn from a number stands in check"


@chapter
def test_exercises_have_a_start_and_a_solution_that_runs(chapter):
    (cell,) = (c for c in chapter.cells if c.cell_type == "markdown" and "## Exercises" in c.source)
    text = cell.source.partition("## Exercises")[2]
    found, folded = exercises.solutions(chapter.cells), text.count("<details>")
    assert 3 <= folded <= 5, "three to five exercises, each with a folded solution"
    assert folded - 1 <= len(found) <= folded, "one may be a matter of thought, the others are computed"
    starts = len(re.findall("```python", re.sub("<details>.*?</details>", "", text, flags=re.DOTALL)))
    assert starts == len(found), "each exercise that is computed begins with a line or two"
    for code in found:
        ast.parse(code)
        assert len(code.splitlines()) <= 20, f"a solution of at most 20 lines:\n{code}"
        assert "record(" not in code, f"what a reader tries is no result:\n{code}"
    assert sum(code.count("check(") for code in found) >= 2, "solutions claim what they claim in check"


@chapter
def test_the_badge_opens_this_notebook(chapter):
    slug = repository.current().removeprefix("https://github.com/")
    url = f"https://colab.research.google.com/github/{slug}/blob/main/notebooks/{chapter.name}.ipynb"
    assert url in chapter.cells[0].source
    assert f"{repository.current()}@main" in next(c.source for c in chapter.cells if "find_spec" in c.source)


def test_every_notebook_is_in_the_table_of_contents():
    toc = render.toc_files(yaml.safe_load((chapters.ROOT / "book" / "_toc.yml").read_text()))
    assert {f"notebooks/{c.name}" for c in CHAPTERS} <= set(toc), "add it to book/_toc.yml"
    assert {f"book/{p.parent.name}/{p.stem}" for p in REAL} <= set(toc), "add it to book/_toc.yml"
    assert len(toc) == len(set(toc))


def test_numbers_in_the_prose_are_the_recorded_ones():
    found = 0
    for page in (chapters.ROOT / "book").glob("*.md"):
        for number, file, name in re.findall(r"(-?[\d.]+)<!-- (\S+) (\S+) -->", page.read_text()):
            metrics = json.loads((pages.RESULTS / f"{file}.json").read_text())["metrics"]
            (value,) = (m["value"] for m in metrics if m["name"] == name)
            assert number == f"{value:.{len(number.partition('.')[2])}f}", f"{page.name}: {name}"
            found += 1
    assert found


def test_references_are_made_of_the_bibliography():
    assert (chapters.ROOT / "book" / "references.md").read_text() == pages.references(), "run `make refresh`"


@chapter
def test_every_cited_key_is_in_the_bibliography(chapter):
    text = "\n".join(c.source for c in chapter.cells)
    keys = re.findall(r"references\.md#([\w-]+)", text)
    headings = re.findall(r"^## (\S+)$", pages.references(), re.MULTILINE)
    assert keys and set(keys) <= set(headings)
