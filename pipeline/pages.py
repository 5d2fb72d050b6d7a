"""Pages that are generated from what the chapters recorded: results, status, references."""

import html
import json
import platform
from collections import defaultdict

from pybtex.database import parse_file

from cardio_utils.notebook import format_number
from pipeline import chapters

RESULTS = chapters.ROOT / "book" / "results"
SOURCES = {
    "simulated": "simulated recordings",
    "mitdb": "MIT-BIH records",
    "ptbdb": "PTB Diagnostic records",
    "features": "published feature table of six nanoelectrode recordings",
    "optical": "optical action potentials of hiPSC cardiomyocytes",
    "nea": "published nanoelectrode recordings",
    "ucsd": "published simulated ventricles",
    "ptbxl": "PTB-XL records",
    "wfdb": "records of your own",
    "nmj": "neuromuscular junction recordings",
    "mini_epsc": "labelled synaptic currents",
    "semisynthetic": "PTB-XL beats with simulated potassium",
    "mimic": "MIMIC-IV-ECG records",
}
RUNS = chapters.BUILD / "runs" / "default"


def recorded():
    """Content of every file of results, the fresh ones of this build before the committed ones."""
    files = {path.name: path for folder in (RESULTS, RUNS) for path in folder.glob("*.*.*.json")}
    files = {name: path for name, path in files.items() if not name.endswith(".run.json")}
    return [json.loads(files[name].read_text()) for name in sorted(files)]


def results():
    """The results page: one section a chapter, one table a data source and split, models as rows."""
    lines = [
        "# Results",
        "",
        "Every number that the chapters recorded, each beside its baselines, with 95 % intervals where they were",
        "measured. A table names its data: numbers of simulated data say nothing about patients, and must not be",
        "set beside published ones. In brackets: the 95 % interval, found by resampling whole patients,",
        "cells or recordings. Arrows",
        "show the better direction.",
    ]
    titles = {c.name: c.title for c in chapters.find()}
    for content in recorded():
        name = content["chapter"]
        if f"## {titles[name]}" not in lines:
            lines += ["", f"## {titles[name]}", "", f"[Open the chapter](../notebooks/{name}.ipynb)."]
        data = f"{SOURCES[content['source']]}, profile {content['profile']}, seed {content['seed']}"
        lines += ["", f"### {data[0].upper()}{data[1:]}"]
        for split, metrics in _by_split(content["metrics"]).items():
            lines += ["", f"**{split.replace('_', ' ')}**", "", *_table(metrics)]
    return "\n".join(lines) + "\n"


def status():
    """The status page: when, where and how long each notebook ran, and with which versions."""
    lines = ["# Status of this build", "", f"Python {platform.python_version()}, {platform.system()}.", ""]
    lines += ["| Chapter | Data | Profile | Seconds | Date | Device | Source |", "|---|---|---|--:|---|---|---|"]
    runs = [json.loads(p.read_text()) for p in sorted([*RESULTS.glob("*.run.json"), *RUNS.glob("*.run.json")])]
    for run in sorted(runs, key=lambda r: (r["chapter"], r["results"])):
        values = run["parameters"]
        lines.append(
            f"| [{run['title']}](../notebooks/{run['chapter']}.ipynb) | {values['source']} | {values['profile']} "
            f"| {run['seconds']:.0f} | {run['date']} | {run['device']} | `{run['source_hash'][:8]}` |"
        )
    versions = recorded()[0]["versions"] if recorded() else {}
    lines += ["", "## Versions", "", "| Package | Version |", "|---|---|"]
    lines += [f"| {name} | {version} |" for name, version in versions.items()]
    lines += ["", "*Source* is the beginning of a hash of the chapter's source and of every module it imports."]
    return "\n".join(lines) + "\n"


def references():
    """``book/references.md`` from ``book/references.bib``: one heading an entry, so that links work everywhere."""
    entries = parse_file(chapters.ROOT / "book" / "references.bib").entries
    lines = ["# References", ""]
    for key, entry in sorted(entries.items()):
        people = [" ".join(p.last_names) + " " + "".join(n[0] for n in p.first_names) for p in entry.persons["author"]]
        authors = ", ".join(people[:6]) + (", et al." if len(people) > 6 else ".")
        fields = entry.fields
        where = fields.get("journal") or fields.get("booktitle") or fields.get("publisher", "")
        volume = f" {fields['volume']}" if "volume" in fields else ""
        pages = f":{fields['pages'].replace('--', '-')}" if "pages" in fields else ""
        link = f" [doi:{fields['doi']}](https://doi.org/{fields['doi']})" if "doi" in fields else ""
        link = link or (f" <{fields['url']}>" if "url" in fields else "")
        title = fields["title"].replace("{", "").replace("}", "")
        lines += [f"## {key}", "", f"{authors} {title}. *{where}*{volume}{pages}, {fields['year']}.{link}", ""]
    return "\n".join(lines)


def _by_split(metrics):
    """Metrics by the first part of their names; names without parts under 'data'."""
    groups = defaultdict(list)
    for metric in metrics:
        head, _, rest = metric["name"].partition("/")
        groups[head if rest else "data"].append((rest or head, metric))
    return groups


def _table(metrics):
    """Quantities that several models have as columns, models as rows; all others as a list below."""
    rows, columns = defaultdict(dict), defaultdict(list)
    for name, metric in metrics:
        model, _, quantity = name.partition("/")
        rows[model][quantity] = metric
        columns[quantity].append(model)
    shared = [quantity for quantity, models in columns.items() if quantity and len(models) > 1]
    lines, listed = [], metrics
    if shared:
        arrows = {"higher": " ↑", "lower": " ↓", "": ""}
        heads = [words(q) + arrows[rows[columns[q][0]][q]["better"]] for q in shared]
        lines += ["| Model | " + " | ".join(heads) + " |", "|---|" + "---|" * len(shared)]
        lines += [
            f"| {words(model)} | " + " | ".join(_value(found.get(q)) for q in shared) + " |"
            for model, found in rows.items()
            if set(found) & set(shared)
        ]
        listed = [(name, metric) for name, metric in metrics if name.partition("/")[2] not in shared]
    if listed:
        lines += [""] * bool(lines) + ["| Quantity | Value |", "|---|---|"]
        lines += [f"| {words(name)} | {_value(metric)} |" for name, metric in listed]
    return lines


def words(name):
    """The name of a metric as words; a name may hold a file's, so that nothing in it is markup."""
    name = html.escape(name, quote=False).replace("|", "\\|").replace("/", ", ").replace("_", " ")
    return name.replace("auroc", "AUROC").replace(" f1", " F1").replace("ppv", "PPV")


def _value(metric):
    """A number with its interval, on one line however narrow the page is."""
    return (
        ""
        if metric is None
        else html.escape(format_number(metric["value"], metric["ci"], metric["unit"])).replace(" ", "\xa0")
    )
