"""Sweeps: one run of a chapter for each row of ``sweeps/NAME.tsv``, then one table and one figure.

The columns are parameters of the chapter NAME. `snakemake --cores 2 --config sweep=NAME` runs the rows, on a cluster
with the executor that snakemake is given, and then calls

python -m pipeline.sweep NAME

A second argument, prefixes of metrics such as test/network/mae,validation/network/mae, keeps these for the book: the
page ``book/sweeps/NAME.md`` and the figure ``book/_static/sweep_NAME.png``.
"""

import json
import sys

import pandas as pd

from pipeline import chapters

FOLDER = chapters.ROOT / "sweeps"
BUILD = chapters.BUILD / "sweeps"
BOOK = chapters.ROOT / "book"


def rows(name):
    """Table of the parameters of a sweep, each column in the type of the chapter's own default.

    Raises
    ------
    SystemExit
        There is no such sweep or chapter, a column is no parameter of the chapter, or a row stands there twice.
    """
    path = FOLDER / f"{name}.tsv"
    if not path.is_file():
        raise SystemExit(
            f"There is no sweep {name}; there are: {', '.join(sorted(p.stem for p in FOLDER.glob('*.tsv')))}."
        )
    (chapter,) = [c for c in chapters.find() if c.name == name] or [None]
    if chapter is None:
        raise SystemExit(f"{path} is named after no chapter.")
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    unknown = sorted(set(table) - set(chapter.parameters))
    if unknown:
        raise SystemExit(
            f"{path}: {', '.join(unknown)} is no parameter of {name}. Known: {', '.join(chapter.parameters)}."
        )
    table = table.astype({column: type(chapter.parameters[column]) for column in table})
    if table.duplicated().any():
        raise SystemExit(f"{path}: row {table.duplicated().idxmax() + 2} stands there twice.")
    return table


def folder(name, row):
    """Folder of the run of one row (a dict of parameters)."""
    return BUILD / name / chapters.run_name(row)


def collect(name):
    """All numbers that the runs of a sweep recorded: one line a run and metric, with the run's parameters."""
    parts = []
    for row in rows(name).to_dict("records"):
        (path,) = [p for p in folder(name, row).glob(f"{name}.*.json") if not p.name.endswith(".run.json")]
        metrics = pd.DataFrame(json.loads(path.read_text())["metrics"])[["name", "value", "unit", "better"]]
        parts.append(metrics.assign(**row)[[*row, *metrics]])
    return pd.concat(parts, ignore_index=True)


def figure(table, parameters):
    """Every metric against the first parameter: mean over the rest, and each run."""
    import matplotlib.pyplot as plt

    from cardio_utils.plots import style

    style.use()
    first, names = parameters[0], list(dict.fromkeys(table.name))
    columns = min(3, len(names))
    figure, axes = plt.subplots(
        -(-len(names) // columns), columns, squeeze=False, figsize=(3.2 * columns, 2.4 * -(-len(names) // columns))
    )
    for ax, name in zip(axes.flat, names, strict=False):
        runs = table[table.name == name]
        place = pd.Categorical(runs[first], ordered=True).codes
        ax.plot(place, runs.value, "o", markersize=3, alpha=0.5)
        ax.plot(sorted(set(place)), runs.groupby(first).value.mean(), color=style.PALETTE["vermilion"])
        values = sorted(set(runs[first]))
        ax.set_xticks(sorted(set(place)), [f"{v:g}" if isinstance(v, float) else str(v) for v in values])
        ax.set_title(name, fontsize=7)
        ax.set_xlabel(first)
        unit, better = runs.unit.iloc[0], runs.better.iloc[0]
        ax.set_ylabel(", ".join(filter(None, (unit, better and f"{better} is better"))), fontsize=7)
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    return figure


def summary(table, first):
    """Markdown table: a row for each value of the first parameter; of each metric mean, smallest and largest value."""
    names = list(dict.fromkeys(table.name))
    runs = table.groupby([first, "name"]).value.agg(["mean", "min", "max"])
    lines = [f"| {first} | {' | '.join(names)} |", f"|{'---|' * (len(names) + 1)}"]
    for value in table[first].unique():
        cells = ["{:.4g} ({:.4g} to {:.4g})".format(*runs.loc[(value, name)]) for name in names]
        lines.append(f"| {value:g} | {' | '.join(cells)} |")
    return "\n".join(lines)


def page(name, table, parameters):
    """Write the page and the figure of a sweep into the book."""
    chapter = chapters.Chapter(name)
    first, *others = parameters
    picture = BOOK / "_static" / f"sweep_{name}.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure(table, parameters).savefig(picture, dpi=90)
    names = ", ".join(dict.fromkeys(table.name))
    text = f"""# {chapter.title}: {first.replace("_", " ")}

Recorded by {len(table) // table.name.nunique()} runs of [chapter {name[:2]}](../../notebooks/{name}.ipynb) in its fast
profile on simulated data, one for each row of `sweeps/{name}.tsv`: for each value of {first} the mean of its runs, and
in brackets the smallest and the largest value{"".join(f", over {other}" for other in others)}.

{summary(table, first)}

![{names} against {first}: a dot a run, a line through the means](../_static/{picture.name})

Made by `snakemake --cores 2 --config sweep={name}`.
"""
    target = BOOK / "sweeps" / f"{name}.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text(text)


def main(name, prefixes=""):
    table, parameters = collect(name), list(rows(name))
    table.to_csv(BUILD / f"{name}.csv", index=False)
    figure(table[table.better != ""], parameters).savefig(BUILD / f"{name}.png", dpi=120)
    if prefixes:
        page(name, table[table.name.str.startswith(tuple(prefixes.split(",")))], parameters)
    print(f"{BUILD / name}.csv and .png: {len(rows(name))} runs")


if __name__ == "__main__":
    main(*sys.argv[1:])
