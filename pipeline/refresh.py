"""Bring executed notebooks and recorded results from ``_build`` back into the checkout.

    python -m pipeline.refresh                                           the chapters, with their defaults
    python -m pipeline.refresh --real source=mitdb profile=full only=07  pages of book/real
"""

import shutil
import sys

from pipeline import chapters, pages

REAL = chapters.ROOT / "book" / "real"


def refresh():
    """Copy every default run over the committed notebook and its results."""
    for chapter in chapters.find():
        run = chapters.BUILD / "runs" / "default"
        shutil.copy(run / f"{chapter.name}.ipynb", chapter.notebook)
        _copy_results(run, chapter.name)
    (chapters.ROOT / "book" / "references.md").write_text(pages.references())


def refresh_real(given):
    """Copy runs with other parameters to ``book/real/NAME.SOURCE.ipynb``, and their results with them."""
    selected = chapters.select(given.pop("only", ""))
    for name, parameters in chapters.parameters_for(selected, given).items():
        run = chapters.BUILD / "runs" / chapters.run_name(parameters)
        REAL.mkdir(exist_ok=True)
        shutil.copy(run / f"{name}.ipynb", REAL / f"{name}_{parameters['source']}.ipynb")
        results = _copy_results(run, name)
        shutil.copy(run / f"{name}.run.json", pages.RESULTS / results.replace(".json", ".run.json"))


def _copy_results(run, name):
    pages.RESULTS.mkdir(exist_ok=True)
    (path,) = (p for p in run.glob(f"{name}.*.*.json") if not p.name.endswith(".run.json"))
    shutil.copy(path, pages.RESULTS / path.name)
    return path.name


if __name__ == "__main__":
    if sys.argv[1:2] == ["--real"]:
        refresh_real(dict(word.split("=", 1) for word in sys.argv[2:]))
    else:
        refresh()
