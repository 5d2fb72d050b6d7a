"""Sweeps: one run of a chapter for each row of a table of parameters, then one table and one figure.

The sweep NAME is that of the chapter NAME over ``sweeps/NAME.tsv``; the sweep NAME.seeds is that of the same chapter
over ``sweeps/seeds.tsv``, and the word seeds stands for these of every chapter. `snakemake --cores 2 --config
sweep=NAME` runs the rows, on a cluster with the executor that snakemake is given, and then calls

python -m pipeline.sweep NAME

A second argument, names of metrics or what they begin with, such as test/network/mae,validation/network/mae, keeps for
the book what every run recorded of them: the page ``book/sweeps/NAME.md`` and the figure
``book/_static/sweep_NAME.png``. `python -m pipeline.sweep seeds` makes one page of the seeds of all chapters that have
been run, with the numbers that README.md shows.
"""

import json
import sys

import pandas as pd

from cardio_utils.notebook import format_number
from pipeline import chapters, pages, readme

FOLDER = chapters.ROOT / "sweeps"
BUILD = chapters.BUILD / "sweeps"
BOOK = chapters.ROOT / "book"


def meant(word, only=""):
    """Sweeps that a word on the command line means; ``seeds``: of all chapters, or of those that `only` chooses."""
    if word == "seeds":
        return [f"{c.name}.seeds" for c in chapters.select(only)]
    return [word] if word else []


def chapter(name):
    """The chapter that a sweep runs.

    Raises
    ------
    SystemExit
        There is no such chapter.
    """
    found = [c for c in chapters.find() if c.name == name.removesuffix(".seeds")]
    if not found:
        raise SystemExit(f"The sweep {name} is named after no chapter.")
    return found[0]


def table_of(name):
    """File of the rows of a sweep."""
    return FOLDER / ("seeds.tsv" if name.endswith(".seeds") else f"{name}.tsv")


def rows(name):
    """Table of the parameters of a sweep, each column in the type of the chapter's own default.

    Raises
    ------
    SystemExit
        There is no such sweep or chapter, a column is no parameter of the chapter, or a row stands there twice.
    """
    path = table_of(name)
    if not path.is_file():
        raise SystemExit(
            f"There is no sweep {name}; there are: {', '.join(sorted(p.stem for p in FOLDER.glob('*.tsv')))}."
        )
    known = chapter(name).parameters
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    if unknown := sorted(set(table) - set(known)):
        raise SystemExit(f"{path}: {', '.join(unknown)} is no parameter of {name}. Known: {', '.join(known)}.")
    table = table.astype({column: type(known[column]) for column in table})
    if table.duplicated().any():
        raise SystemExit(f"{path}: row {table.duplicated().idxmax() + 2} stands there twice.")
    return table


def folder(name, row):
    """Folder of the run of one row (a dict of parameters)."""
    return BUILD / name / chapters.run_name(row)


def collect(name):
    """All numbers that the runs of a sweep recorded: one line a run and metric, with the run's parameters.

    A metric that ends with the run's value of a parameter, such as test/single/r/I+II+V3, loses that end, so that it is
    the same metric in all runs.
    """
    parts = []
    for row in rows(name).to_dict("records"):
        metrics = pd.DataFrame(_recorded(name, row))[["name", "value", "unit", "better"]]
        for value in (v for v in row.values() if isinstance(v, str)):
            metrics["name"] = metrics["name"].str.removesuffix(f"/{value}")
        parts.append(metrics.assign(**row)[[*row, *metrics]])
    return pd.concat(parts, ignore_index=True)


def _recorded(name, row):
    """Metrics of the run of one row, as the chapter wrote them."""
    found = folder(name, row).glob(f"{chapter(name).name}.*.json")
    (path,) = [p for p in found if not p.name.endswith(".run.json")]
    return json.loads(path.read_text())["metrics"]


def figure(table, parameters):
    """Every metric against the first parameter: each run, and if it is a number the mean over the rest."""
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
        values = sorted(set(runs[first]))
        if not isinstance(values[0], str):  # nothing lies between two words
            ax.plot(sorted(set(place)), runs.groupby(first).value.mean(), color=style.PALETTE["vermilion"])
        words = [_text(v) for v in values]
        ax.set_xticks(sorted(set(place)), words, rotation=90 if max(map(len, words)) > 5 else 0)
        ax.set_title(name, fontsize=7)
        ax.set_xlabel(first)
        unit, better = runs.unit.iloc[0], runs.better.iloc[0]
        ax.set_ylabel(", ".join(filter(None, (unit, better and f"{better} is better"))), fontsize=7)
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    return figure


def _several(mean, least, most):
    return f"{mean:.4g}" if least == most else f"{mean:.4g} ({least:.4g} to {most:.4g})"


def _text(value):
    return f"{value:g}" if isinstance(value, float) else str(value)


def summary(table, first):
    """Markdown table: a row for each value of the first parameter; of each metric mean, smallest and largest value."""
    names = list(dict.fromkeys(table.name))
    runs = table.groupby([first, "name"]).value.agg(["mean", "min", "max"])
    lines = [f"| {first} | {' | '.join(names)} |", f"|{'---|' * (len(names) + 1)}"]
    for value in table[first].unique():
        found = [runs.loc[(value, name)] if (value, name) in runs.index else None for name in names]
        cells = ["" if each is None else _several(*each) for each in found]
        lines.append(f"| {_text(value)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def page(name, table, parameters):
    """Write the page and the figure of a sweep into the book."""
    first, *others = parameters
    swept = chapter(name)
    picture = BOOK / "_static" / f"sweep_{name}.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure(table, parameters).savefig(picture, dpi=90)
    names = ", ".join(dict.fromkeys(table.name))
    text = f"""# {swept.title}: {first.replace("_", " ")}

Recorded by {len(table) // table.name.nunique()} runs of [chapter {name[:2]}](../../notebooks/{swept.name}.ipynb)
in its fast profile on simulated data, one for each row of `sweeps/{table_of(name).name}`. Where a value of {first} has
several runs, their mean, and in brackets the smallest and the largest value{"".join(f", over {o}" for o in others)}.

{summary(table, first)}

![{names} against {first}: a dot a run](../_static/{picture.name})

Made by `snakemake --cores 2 --config sweep={name}`.
"""
    target = BOOK / "sweeps" / f"{name}.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text(text)


def of_seeds():
    """The numbers of README.md under each seed: a line a chapter and number, with the value and interval of each run.

    Chapters of which a run is missing in ``_build/sweeps`` are left out.
    """
    lines = []
    for name in meant("seeds"):
        table = rows(name).to_dict("records")
        if not all((folder(name, row) / f"{chapter(name).name}.ipynb").is_file() for row in table):
            continue
        found = {f"seed {row['seed']}": {m["name"]: m for m in _recorded(name, row)} for row in table}
        for metric in readme.metrics(readme.ENTRIES[chapter(name).name].number):
            lines.append({"chapter": chapter(name), "metric": metric} | {s: each[metric] for s, each in found.items()})
    return pd.DataFrame(lines)


def page_of_seeds(table):
    """Write the page of the seeds of all chapters."""
    seeds = [c for c in table if c.startswith("seed ")]
    inside = [
        run["ci"][0] <= line[other]["value"] <= run["ci"][1]
        for _, line in table.iterrows()
        for seed in seeds
        for other in set(seeds) - {seed}
        if (run := line[seed])["ci"]
    ]
    lines = [f"| Chapter | Number | {' | '.join(seeds)} |", "|---|---|" + "---|" * len(seeds)]
    for _, line in table.iterrows():
        name, values = line["chapter"].name, [line[s] for s in seeds]
        link = f"[{name.split('_')[0]}](../../notebooks/{name}.ipynb)"
        shown = [format_number(v["value"], v["ci"], v["unit"]).replace(" ", "\xa0") for v in values]
        lines.append(f"| {link} | {pages.words(line['metric'])} | {' | '.join(shown)} |")
    target = BOOK / "sweeps" / "seeds.md"
    target.parent.mkdir(parents=True, exist_ok=True)
    out = f"{len(inside) - sum(inside)} times of {len(inside)}"
    target.write_text(f"""# Other seeds, other numbers

A seed changes the simulated cells, hearts or patients, the split and the first weights of networks. Each line is a
number that the README shows, from the fast profile on simulated data, under {len(seeds)} seeds, in brackets its 95 %
interval. An interval resamples the test units of one run. It does not know that another draw would have given other
training data and another network. So the value under one seed lies outside the interval under another more often than
one time in twenty: here {out}. Where models of a chapter change places between columns, the fast
profile cannot tell them apart.

{chr(10).join(lines)}

Made by `snakemake --cores 2 --config sweep=seeds`, then `python -m pipeline.sweep seeds`.
""")


def main(name, prefixes=""):
    if name == "seeds":
        page_of_seeds(of_seeds())
        return
    table, parameters = collect(name), list(rows(name))
    table.to_csv(BUILD / f"{name}.csv", index=False)
    figure(table[table.better != ""], parameters).savefig(BUILD / f"{name}.png", dpi=120)
    if prefixes:
        table = table[table.groupby("name").name.transform("size") == len(rows(name))]
        known, words = set(table.name), prefixes.split(",")
        kept = {n for n in known for word in words if (n == word if word in known else n.startswith(word))}
        page(name, table[table.name.isin(kept)], parameters)
    print(f"{BUILD / name}.csv and .png: {len(rows(name))} runs")


if __name__ == "__main__":
    main(*sys.argv[1:])
