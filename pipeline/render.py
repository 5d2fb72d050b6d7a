"""Render the book from a staged tree, strictly, so that the checkout stays clean and no warning passes.

python -m pipeline.render
"""

import importlib.metadata
import re
import shutil
import subprocess
import sys

import yaml

from pipeline import alone, chapters, pages

STAGE = chapters.BUILD / "stage"
SITE = chapters.BUILD / "site"
HTML = chapters.BUILD / "html"
LIBRARY = "plotly.min.js"  # the name by which pages load it from _static
PAGES = ("CHANGELOG.md", "CONTRIBUTING.md")
BADGE = re.compile(r"\[!\[[^]]*\]\([^)]*colab-badge\.svg\)\]\((\S+?)\)")


def stage():
    """Lay out what Jupyter Book reads: the prose, the executed notebooks, the generated pages."""
    shutil.rmtree(STAGE, ignore_errors=True)
    shutil.copytree(chapters.ROOT / "book", STAGE / "book", ignore=shutil.ignore_patterns("*.json"))
    for name in PAGES:
        shutil.copy(chapters.ROOT / name, STAGE / name)
    settings = yaml.safe_load((chapters.ROOT / "_config.yml").read_text())
    (STAGE / "_config.yml").write_text(yaml.safe_dump(configured(settings)))
    toc = STAGE / "book" / "_toc.yml"
    toc.write_text(yaml.safe_dump(titled(yaml.safe_load(toc.read_text())), sort_keys=False))
    (STAGE / "notebooks").mkdir()
    for chapter in chapters.find():
        shutil.copy(chapters.BUILD / "runs" / "default" / f"{chapter.name}.ipynb", STAGE / "notebooks")
    for path in STAGE.rglob("*.ipynb"):
        path.write_text(without_badge(path.read_text()))
    interactive(STAGE)
    (STAGE / "book" / "results.md").write_text(pages.results())
    (STAGE / "book" / "status.md").write_text(pages.status())


def configured(settings):
    """Settings with all that follows from the address of the repository and from the names of the chapters.

    The pages of a repository lie at a fixed address, which social cards and the page for what is not found need, since
    both are read from elsewhere. ``06.html`` leads to chapter 06 whatever its slug becomes.
    """
    owner, name = settings["repository"]["url"].rstrip("/").split("/")[-2:]
    sphinx = settings["sphinx"]["config"]
    sphinx["ogp_site_url"] = f"https://{owner}.github.io/{name}/"
    sphinx["ogp_site_name"] = settings["title"]
    sphinx["notfound_urls_prefix"] = f"/{name}/"
    for chapter in chapters.find():
        sphinx["rediraffe_redirects"][f"{chapter.name.split('_')[0]}.md"] = f"notebooks/{chapter.name}.ipynb"
    return settings


def titled(node):
    """The table of contents with the number before the title of a chapter, and short titles for its other runs."""
    if isinstance(node, list):
        return [titled(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: titled(value) for key, value in node.items()}
    folder, _, page = node.get("file", "").rpartition("/")
    for chapter in chapters.find():
        number = chapter.name.split("_")[0]
        if folder == "notebooks" and page == chapter.name and number.isdigit():
            node["title"] = f"{number} {chapter.title}"
        elif folder in ("book/full", "book/real") and page.startswith(f"{chapter.name}_"):
            kind = "full profile" if folder == "book/full" else pages.SOURCES[page.removeprefix(f"{chapter.name}_")]
            node["title"] = f"{number}: {kind}"
    return node


def without_badge(notebook):
    """The text of a notebook with a link in place of the picture of its badge, which lies on another machine."""
    # No quotes around the attributes: this stands inside the strings of a JSON file.
    return BADGE.sub(r"<div class=colab><a href=\1>Open in Colab</a></div>", notebook)


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
    front(built)
    publish(built)
    print(f"{len(expected)} pages rendered by Jupyter Book {version}", flush=True)


def front(html):
    """``index.html``: leads to the start page, and says to search engines and social cards what that page says."""
    start = (html / "book" / "index.html").read_text()
    told = "\n".join(
        re.findall(r"<title>.*?</title>|<meta (?:property|name)=\"(?:og:|description|twitter:).*?>", start)
    )
    (html / "index.html").write_text(
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8" />\n{told}\n'
        '<meta http-equiv="refresh" content="0; url=book/index.html" />\n</head>\n'
        '<body><a href="book/index.html">To the book</a></body>\n</html>\n'
    )


def publish(built):
    """Put the pages in the place of the former ones: who is killed meanwhile leaves one whole book or the other."""
    fresh, former = HTML.with_name("html.part"), HTML.with_name("html.former")
    for left in (fresh, former):
        shutil.rmtree(left, ignore_errors=True)
    shutil.copytree(built, fresh)
    if HTML.exists():
        HTML.rename(former)
    fresh.rename(HTML)
    shutil.rmtree(former, ignore_errors=True)


def toc_files(node):
    """Every page that a table of contents names, depth first."""
    if isinstance(node, list):
        return [page for item in node for page in toc_files(item)]
    if isinstance(node, dict):
        own = [node[k] for k in ("root", "file") if k in node]
        return own + [page for value in node.values() for page in toc_files(value)]
    return []


if __name__ == "__main__":
    alone.job()
    stage()
    build()
