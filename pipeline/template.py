"""A new chapter from the template ``pipeline/template_chapter.py``, which runs and meets every rule as it stands.

python -m pipeline.template 14_conduction "How fast does the wave run?"
"""

import re
import sys
from pathlib import Path

from pipeline import chapters

NAME = "00_template"


def write(name, title):
    """Write ``notebooks/NAME.py``.

    Returns
    -------
    Path

    Raises
    ------
    SystemExit
        The name is not of the form NN_slug, the title is empty, or the number or the name is taken.
    """
    if not re.fullmatch(r"\d\d[a-z]?_[a-z][a-z0-9_]*", name):
        raise SystemExit(f"{name!r} is no name of a chapter: two digits, _, small letters, such as 14_conduction")
    if not title.strip() or "\n" in title:
        raise SystemExit('Give the title in one line: make chapter NAME=14_conduction TITLE="How fast is it?"')
    number = name.partition("_")[0]
    if taken := [c.name for c in chapters.find() if c.name.partition("_")[0] == number]:
        raise SystemExit(f"There is a chapter {taken[0]} already: take another number.")
    target = chapters.NOTEBOOKS / f"{name}.py"
    text = Path(__file__).with_name("template_chapter.py").read_text()
    target.write_text(text.replace(NAME, name).replace("# # TITLE\n", f"# # {title.strip()}\n", 1))
    return target


def main(name="", title=""):
    target = write(name, title)
    print(f"""notebooks/{target.name} is there and runs as it stands. What is left to do:
  1. Write the chapter in it; what takes more than 25 lines goes into cardio_utils.
  2. book/_toc.yml: add "- file: notebooks/{name}" to its part.
  3. pipeline/readme.py: add its entry, from which the table of README.md is made.
  4. make try ONLY={name.partition("_")[0]}   executes and tests it alone
  5. make lint && make book && make refresh && make test""")


if __name__ == "__main__":
    main(*sys.argv[1:])
