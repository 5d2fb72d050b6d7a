"""Chapters with the solutions of their exercises as cells at the end: what nbval runs.

    python -m pipeline.exercises _build/test-notebooks

A solution is folded markdown, so that it gives nothing away on a page; its code stands in fences there, and what it
claims in `check`. Here each becomes a cell, after all cells of the chapter, whose names it uses.
"""

import re
import sys
import textwrap
from pathlib import Path

import nbformat

from pipeline import chapters

_FOLDED = re.compile(r"<details>.*?</details>", re.DOTALL)
_FENCE = re.compile(r"^( *)```python\n(.*?)^ *```", re.DOTALL | re.MULTILINE)


def solutions(cells):
    """Code of the folded solutions in markdown cells, in their order; the several fences of one solution are joined.

    Parameters
    ----------
    cells : iterable of notebook cells

    Returns
    -------
    list of str
    """
    folded = [part for c in cells if c.cell_type == "markdown" for part in _FOLDED.findall(c.source)]
    code = ("".join(textwrap.dedent(body) for _, body in _FENCE.findall(part)) for part in folded)
    return [part for part in code if part]


def write(folder):
    """Copy every executed notebook to a folder, its solutions at the end."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for chapter in chapters.find():
        notebook = nbformat.read(chapter.notebook, 4)
        for k, code in enumerate(solutions(notebook.cells), 1):
            tags = ["nbval-ignore-output", f"solution-{k}"]
            notebook.cells.append(nbformat.v4.new_code_cell(code, metadata={"tags": tags}, id=f"solution-{k}"))
        nbformat.write(notebook, folder / chapter.notebook.name)


if __name__ == "__main__":
    write(sys.argv[1])
