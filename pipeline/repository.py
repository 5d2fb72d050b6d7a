"""Set the address of the repository everywhere that it stands; ``repository.url`` in _config.yml is the place.

python -m pipeline.repository https://github.com/you/your-book
"""

import re
import subprocess
import sys

import yaml

from pipeline import chapters

FILES = ("*.py", "*.md", "*.yml", "*.yaml", "*.cff", "*.ipynb", "*.toml")


def current():
    """The address that the book has now."""
    return yaml.safe_load((chapters.ROOT / "_config.yml").read_text())["repository"]["url"]


def replace(new):
    """Write `new` over the present address in every tracked text file, badges in notebooks included."""
    new = new.rstrip("/").removesuffix(".git")
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", new):
        raise SystemExit(f"{new!r} is not of the form https://github.com/owner/name")
    slugs = [url.removeprefix("https://github.com/") for url in (current(), new)]
    listed = subprocess.run(
        ["git", "ls-files", "-z", *FILES], cwd=chapters.ROOT, capture_output=True, text=True, check=True
    )
    changed = 0
    for name in filter(None, listed.stdout.split("\0")):
        path = chapters.ROOT / name
        text = path.read_text()
        if slugs[0] in text:
            path.write_text(text.replace(slugs[0], slugs[1]))
            changed += 1
    print(f"{slugs[1]} in {changed} files")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("make repository URL=https://github.com/owner/name")
    replace(sys.argv[1])
