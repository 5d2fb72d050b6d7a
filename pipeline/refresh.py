"""Bring executed notebooks and recorded results from ``_build`` back into the checkout.

python -m pipeline.refresh                                           the chapters, with their defaults
python -m pipeline.refresh --only 14                                 one of them
python -m pipeline.refresh --real source=mitdb profile=full only=07  pages of book/real; of book/full if simulated
"""

import json
import re
import shutil
import sys

import nbformat

from cardio_utils.data.fetch import whole
from pipeline import alone, chapters, pages, readme

REAL = chapters.ROOT / "book" / "real"
FULL = chapters.ROOT / "book" / "full"


def refresh(only=""):
    """Copy default runs, of all chapters or of those that `only` chooses, over committed notebooks and results."""
    for chapter in chapters.select(only):
        run = chapters.BUILD / "runs" / "default"
        with whole(chapter.notebook) as part:
            shutil.copy(run / f"{chapter.name}.ipynb", part)
        _copy_results(run, chapter.name)
    with whole(chapters.ROOT / "book" / "references.md") as part:
        part.write_text(pages.references())
    readme.write()


def refresh_real(given):
    """Copy runs with other parameters, and their results, to ``book/real/NAME_SOURCE.ipynb``, or ``book/full``."""
    selected = chapters.select(given.pop("only", ""))
    for name, parameters in chapters.parameters_for(selected, given).items():
        run = chapters.BUILD / "runs" / chapters.run_name(parameters)
        facts = json.loads((run / f"{name}.run.json").read_text())
        source = facts["parameters"]["source"]
        folder = FULL if source == "simulated" else REAL
        folder.mkdir(exist_ok=True)
        page = real_page(nbformat.read(run / f"{name}.ipynb", 4), facts)
        with whole(folder / f"{name}_{source}.ipynb") as part:
            nbformat.write(page, part)
        results = _copy_results(run, name)
        with whole(pages.RESULTS / results.replace(".json", ".run.json")) as part:
            shutil.copy(run / f"{name}.run.json", part)
    readme.write()


def real_page(notebook, run):
    """An executed chapter as a page of its own: says what it is, and its links lead from where it lies."""
    name, values = run["chapter"], run["parameters"]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\]\(\.\./book/", "](../", cell.source)
            cell.source = re.sub(r"\]\((\d\d\w+\.ipynb)\)", r"](../../notebooks/\1)", cell.source)
    note = (
        f"> This page is [the chapter](../../notebooks/{name}.ipynb) as executed on {run['date']} with"
        f" `source={values['source']}` and `profile={values['profile']}`, in {run['seconds'] / 60:.0f} minutes"
        f" ({run['device']}). Its recorded numbers are of that data set alone. [All results](../results.md)."
    )
    kind = pages.SOURCES[values["source"]]
    if values["source"] == "simulated":
        kind = f"{kind}, full profile"
    first = notebook.cells[0]
    heading = f"# {run['title']}"
    if heading not in first.source:
        raise ValueError(f"{name}: the first cell does not begin with the title {run['title']!r}")
    first.source = first.source.replace(heading, f"{heading} ({kind})\n\n{note}", 1)
    return notebook


def _copy_results(run, name):
    pages.RESULTS.mkdir(exist_ok=True)
    results = json.loads((run / f"{name}.run.json").read_text())["results"]
    with whole(pages.RESULTS / results) as part:
        shutil.copy(run / results, part)
    return results


if __name__ == "__main__":
    alone.hold()
    if sys.argv[1:2] == ["--real"]:
        refresh_real(dict(word.split("=", 1) for word in sys.argv[2:]))
    else:
        refresh(*(sys.argv[2:3] if sys.argv[1:2] == ["--only"] else []))
