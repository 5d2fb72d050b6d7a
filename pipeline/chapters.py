"""What the chapters are: their sources, their parameters, the package modules that each of them imports."""

import ast
import hashlib
from dataclasses import dataclass
from pathlib import Path

import jupytext

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
PACKAGE = ROOT / "cardio_utils"
BUILD = ROOT / "_build"


@dataclass(frozen=True)
class Chapter:
    """One notebook: ``notebooks/NN_slug.py`` and all that follows from it."""

    name: str

    @property
    def source(self):
        return NOTEBOOKS / f"{self.name}.py"

    @property
    def notebook(self):
        return NOTEBOOKS / f"{self.name}.ipynb"

    @property
    def cells(self):
        return jupytext.read(self.source).cells

    @property
    def title(self):
        heading = next(line for line in self.cells[0].source.splitlines() if line.startswith("# "))
        return heading.removeprefix("# ").strip()

    @property
    def parameters(self):
        """Default of each parameter, by name, from the cell tagged ``parameters``."""
        cells = [c for c in self.cells if "parameters" in c.metadata.get("tags", [])]
        if len(cells) != 1:
            raise ValueError(f"{self.source}: {len(cells)} cells are tagged 'parameters', exactly one must be")
        return {
            node.target.id: ast.literal_eval(node.value)
            for node in ast.parse(cells[0].source).body
            if isinstance(node, ast.AnnAssign)
        }

    @property
    def modules(self):
        """Files of `cardio_utils` that the notebook imports, directly or through other modules, sorted."""
        code = "\n".join(
            "\n".join(line for line in c.source.splitlines() if not line.lstrip().startswith(("%", "!")))
            for c in self.cells
            if c.cell_type == "code"
        )
        found, todo = set(), _imported(ast.parse(code), "")
        while todo:
            module = todo.pop()
            if module not in found:
                found.add(module)
                parts = module.relative_to(ROOT).with_suffix("").parts
                inside = parts[:-1]  # of a module and of a package's __init__ alike
                todo |= _imported(ast.parse(module.read_text()), ".".join(inside)) - found
        return sorted(found)

    def source_hash(self):
        """Hash of the source and of every module that it imports: which state of the book a result belongs to."""
        digest = hashlib.sha256()
        for path in [self.source, *self.modules]:
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()[:16]


def find():
    """All chapters, in the order of the book."""
    return [Chapter(path.stem) for path in sorted(NOTEBOOKS.glob("[0-9]*_*.py"))]


def select(wanted=""):
    """Chapters whose name starts with one of the comma-separated prefixes; all, when there are none."""
    chapters = find()
    prefixes = [p.strip() for p in str(wanted).split(",") if p.strip()]
    # Snakemake reads `only=06` as the number 6.
    prefixes = [p.zfill(2) if p.isdigit() else p for p in prefixes]
    unknown = [p for p in prefixes if not any(c.name.startswith(p) for c in chapters)]
    if unknown:
        names = ", ".join(c.name for c in chapters)
        raise SystemExit(f"There is no chapter {', '.join(unknown)}. The chapters are: {names}.")
    return [c for c in chapters if not prefixes or any(c.name.startswith(p) for p in prefixes)]


def parameters_for(chapters, given):
    """Split the given parameters by chapter; refuse a name that none of the chapters knows.

    Returns
    -------
    dict
        Chapter name to the parameters that differ from its defaults. A chapter without one of the given
        parameters runs with its defaults for the rest.
    """
    known = {c.name: c.parameters for c in chapters}
    names = sorted(set().union(*known.values())) if known else []
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise SystemExit(
            f"Unknown parameter {', '.join(unknown)}. Known: {', '.join(names)};"
            " 'only' chooses chapters, such as only=06,07."
        )
    split = {}
    for name, defaults in known.items():
        mine = {k: type(defaults[k])(v) for k, v in given.items() if k in defaults}
        split[name] = {k: v for k, v in mine.items() if v != defaults[k]}
    return split


def run_name(parameters):
    """Folder of a run: ``default``, or its parameters, such as ``profile=full,source=mitdb``."""
    text = ",".join(f"{k}={v}" for k, v in sorted(parameters.items()))
    if any(c in text for c in "/\\ ") or len(text) > 100:
        text = hashlib.sha256(text.encode()).hexdigest()[:12]
    return text or "default"


def _imported(tree, package):
    """Files of `cardio_utils` that the import statements of a module name; `package` is the one it lies in."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]).rstrip(".")
            names = [f"{base}.{alias.name}" for alias in node.names] + [base]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == PACKAGE.name:
                for depth in range(1, len(parts) + 1):
                    stem = ROOT.joinpath(*parts[:depth])
                    found |= {f for f in (stem.with_suffix(".py"), stem / "__init__.py") if f.is_file()}
    return found
