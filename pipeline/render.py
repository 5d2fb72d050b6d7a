"""Render the book from a staged tree, strictly, so that the checkout stays clean and no warning passes.

python -m pipeline.render
"""

import importlib.metadata
import shutil
import subprocess
import sys

import yaml

from pipeline import chapters, pages

STAGE = chapters.BUILD / "stage"
SITE = chapters.BUILD / "site"
HTML = chapters.BUILD / "html"
LIBRARY = "plotly.min.js"  # the name by which pages load it from _static
PAGES = ("CHANGELOG.md", "CONTRIBUTING.md")


def stage():
    """Lay out what Jupyter Book reads: the prose, the executed notebooks, the generated pages."""
    shutil.rmtree(STAGE, ignore_errors=True)
    shutil.copytree(chapters.ROOT / "book", STAGE / "book", ignore=shutil.ignore_patterns("*.json"))
    for name in ("_config.yml", *PAGES):
        shutil.copy(chapters.ROOT / name, STAGE / name)
    (STAGE / "notebooks").mkdir()
    for chapter in chapters.find():
        shutil.copy(chapters.BUILD / "runs" / "default" / f"{chapter.name}.ipynb", STAGE / "notebooks")
    interactive(STAGE)
    (STAGE / "book" / "results.md").write_text(pages.results())
    (STAGE / "book" / "status.md").write_text(pages.status())


def interactive(folder):
    """Put the plotting library beside the pages, once, if a notebook has a figure that moves."""
    if not any(LIBRARY in path.read_text() for path in folder.rglob("*.ipynb")):
        return
    from plotly.offline import get_plotlyjs

    target = folder / "book" / "_static" / LIBRARY
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(get_plotlyjs())


def build():
    """Run Jupyter Book; any warning, a missing page or a foreign version of the tool is an error."""
    version = importlib.metadata.version("jupyter-book")
    if not version.startswith("1."):
        raise SystemExit(f"jupyter-book {version} cannot build this book: install the versions of constraints.txt")
    tool = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", tool, "build", str(STAGE), "--toc"]
    command += [str(STAGE / "book" / "_toc.yml"), "--path-output", str(SITE), "-W", "-n", "--keep-going", "--all"]
    outcome = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    (chapters.BUILD / "render.log").write_text(outcome.stdout)
    if outcome.returncode:
        wrong = [line for line in outcome.stdout.splitlines() if "WARNING" in line or "ERROR" in line]
        log = f"Log: {chapters.BUILD / 'render.log'}"
        raise SystemExit("\n".join(["The book does not render:", *(wrong or outcome.stdout.splitlines()[-20:]), log]))
    built = SITE / "_build" / "html"
    expected = toc_files(yaml.safe_load((STAGE / "book" / "_toc.yml").read_text()))
    missing = [page for page in [*expected, "index"] if not (built / f"{page}.html").is_file()]
    if missing:
        raise SystemExit(f"Pages of _toc.yml that were not rendered: {', '.join(missing)}")
    shutil.rmtree(HTML, ignore_errors=True)
    shutil.copytree(built, HTML)
    print(f"{len(expected)} pages rendered by Jupyter Book {version}", flush=True)


def toc_files(node):
    """Every page that a table of contents names, depth first."""
    if isinstance(node, list):
        return [page for item in node for page in toc_files(item)]
    if isinstance(node, dict):
        own = [node[k] for k in ("root", "file") if k in node]
        return own + [page for value in node.values() for page in toc_files(value)]
    return []


if __name__ == "__main__":
    stage()
    build()
