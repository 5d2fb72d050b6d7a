"""The path from sources to pages: which module a chapter imports, which parameter is known, what a failure says."""

import base64
import io
import json
import shutil
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from PIL import Image

from pipeline import chapters, execute, exercises, pages, readme, refresh, render, repository, sweep

ROOT = chapters.ROOT
SOURCE = """# %% [markdown]
# # A chapter

# %% tags=["parameters"]
source: str = "simulated"  # data
profile: str = "fast"  # size
seed: int = 0  # seed

# %%
from cardio_utils.notebook import check, record, setup
setup("01_tiny", source=source, profile=profile, seed=seed)

# %%
record("all/ours/answer", 42 + seed, unit="ms", better="higher")
check("the answer is large", 42 > 1)
"""


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    monkeypatch.setattr(chapters, "NOTEBOOKS", tmp_path)
    (tmp_path / "01_tiny.py").write_text(SOURCE)
    return chapters.Chapter("01_tiny")


def snakemake(*words):
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--dry-run", "--nolock", "--quiet", "all", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_modules_are_those_imported_directly_and_through_others(tiny):
    names = {m.relative_to(ROOT).as_posix() for m in tiny.modules}
    assert {"cardio_utils/__init__.py", "cardio_utils/notebook.py", "cardio_utils/plots/style.py"} <= names
    assert "cardio_utils/training.py" not in names


def test_the_hash_follows_the_source(tiny):
    before = tiny.source_hash()
    tiny.source.write_text(SOURCE.replace("42", "43"))
    assert tiny.source_hash() != before


def test_a_known_parameter_is_converted_to_the_type_of_its_default(tiny):
    assert chapters.parameters_for([tiny], {"seed": "3", "source": "simulated"}) == {"01_tiny": {"seed": 3}}
    assert chapters.run_name({"seed": 3}) == "seed=3"
    assert chapters.run_name({}) == "default"
    assert "/" not in chapters.run_name({"recording": "a/b.hea"})


def test_an_unknown_parameter_is_refused_with_the_known_ones(tiny):
    with pytest.raises(SystemExit, match=r"Unknown parameter sed.*profile, seed, source"):
        chapters.parameters_for([tiny], {"sed": 3})


def test_snakemake_refuses_an_unknown_parameter_and_lists_the_known_ones():
    outcome = snakemake("--config", "sauce=mitdb")
    assert outcome.returncode != 0
    assert "Unknown parameter sauce" in outcome.stdout + outcome.stderr
    assert "source" in outcome.stdout + outcome.stderr


def test_snakemake_accepts_the_known_ones():
    outcome = snakemake("--config", "source=mitdb", f"only={chapters.find()[0].name[:2]}")
    assert outcome.returncode == 0, outcome.stderr


def test_an_unknown_chapter_is_refused():
    with pytest.raises(SystemExit, match="no chapter 99"):
        chapters.select("99")
    assert chapters.select(6) == [c for c in chapters.find() if c.name.startswith("06")]


def test_execution_leaves_a_clean_notebook_and_its_results(tiny, tmp_path):
    out = tmp_path / "out"
    execute.execute(tiny, out, {"seed": 1}, 1)
    notebook = nbformat.read(out / "01_tiny.ipynb", 4)
    assert "all/ours/answer: 43 ms" in notebook.cells[-1].outputs[0].text
    assert all(set(c.metadata) <= {"tags", "mystnb"} for c in notebook.cells)
    results = json.loads((out / "01_tiny.simulated.fast.json").read_text())
    assert results["metrics"][0]["value"] == 43 and results["source_hash"] == tiny.source_hash()
    assert json.loads((out / "01_tiny.run.json").read_text())["parameters"]["seed"] == 1


def test_printed_text_is_one_output_however_the_kernel_cut_it():
    def printed(text):
        return nbformat.v4.new_output("stream", name="stdout", text=text)

    figure = nbformat.v4.new_output("display_data", data={"text/plain": "x"})
    cell = nbformat.v4.new_code_cell("print()", outputs=[printed("a\n"), printed("b\n"), figure, printed("c\n")])
    cut = execute.clean(nbformat.v4.new_notebook(cells=[cell])).cells[0].outputs
    assert [o.get("text") for o in cut] == ["a\nb\n", None, "c\n"]


def test_figures_are_kept_in_256_colours_and_cleaning_again_changes_nothing():
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 4), dtype=np.uint8)
    held = io.BytesIO()
    Image.fromarray(noise, "RGBA").save(held, "PNG")
    data = {"image/png": base64.b64encode(held.getvalue()).decode()}
    cell = nbformat.v4.new_code_cell("plot()", outputs=[nbformat.v4.new_output("display_data", data=data)])
    once = execute.clean(nbformat.v4.new_notebook(cells=[cell])).cells[0].outputs[0].data["image/png"]
    assert Image.open(io.BytesIO(base64.b64decode(once))).mode == "P" and len(once) < len(data["image/png"]) / 2
    assert execute._smaller(once) == once


def test_ids_of_cells_are_stable(tiny):
    assert [c.id for c in execute.pair(tiny).cells] == [c.id for c in execute.pair(tiny).cells]


def test_a_failed_check_fails_the_run_and_names_notebook_cell_and_sentence(tiny, tmp_path):
    tiny.source.write_text(SOURCE.replace("42 > 1", "42 < 1"))
    with pytest.raises(SystemExit) as stop:
        execute.execute(tiny, tmp_path / "out", {}, 1)
    text = str(stop.value)
    assert "01_tiny.py failed" in text and "Cell [3]" in text and "the answer is large" in text


def test_toc_files_reads_every_page():
    toc = {"root": "a", "parts": [{"chapters": [{"file": "b", "sections": [{"file": "c"}]}]}]}
    assert render.toc_files(toc) == ["a", "b", "c"]


def test_the_plotting_library_is_staged_only_for_a_notebook_that_asks_for_it(tmp_path):
    library = tmp_path / "book" / "_static" / "plotly.min.js"
    (tmp_path / "01_still.ipynb").write_text(json.dumps({"cells": ["<img>"]}))
    render.interactive(tmp_path)
    assert not library.exists()
    (tmp_path / "02_moving.ipynb").write_text(json.dumps({"cells": ['src: root + "_static/plotly.min.js"']}))
    render.interactive(tmp_path)
    assert "plotly.js v" in library.read_text()[:200] and library.stat().st_size > 1e6


def test_the_address_of_the_pages_and_short_addresses_follow_from_the_settings():
    url = "https://github.com/someone/a-book"
    given = {"title": "T", "repository": {"url": url}, "sphinx": {"config": {"rediraffe_redirects": {"a.md": "b.md"}}}}
    made = render.configured(given)["sphinx"]["config"]
    assert made["ogp_site_url"] == "https://someone.github.io/a-book/" and made["notfound_urls_prefix"] == "/a-book/"
    assert made["rediraffe_redirects"]["06.md"] == "notebooks/06_healthy_or_irregular.ipynb"
    assert made["rediraffe_redirects"]["a.md"] == "b.md"


def test_the_list_of_pages_has_numbers_and_names_the_data_of_other_runs():
    files = ["notebooks/06_healthy_or_irregular", "book/real/06_healthy_or_irregular_mitdb", "book/run"]
    made = render.titled({"parts": [{"caption": "C", "chapters": [{"file": file} for file in files]}]})
    titles = [item.get("title") for item in made["parts"][0]["chapters"]]
    assert titles == ["06 Healthy or irregular?", "06: MIT-BIH records", None]


def test_a_rendered_notebook_has_a_link_in_place_of_the_picture_of_its_badge():
    cell = nbformat.v4.new_markdown_cell(f"# T\n\n[![Open in Colab]({readme.BADGE})](https://c.org/x.ipynb)\n\nText")
    text = render.without_badge(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])))
    source = nbformat.reads(text, 4).cells[0].source
    assert source == "# T\n\n<div class=colab><a href=https://c.org/x.ipynb>Open in Colab</a></div>\n\nText"


def test_the_table_of_the_readme_is_what_the_recorded_numbers_make():
    lines = (ROOT / "README.md").read_text().splitlines()
    made = lines[lines.index(readme.BEGIN) + 1 : lines.index(readme.END)]
    assert [line for line in made if line] == readme.table(), "make it anew: python -m pipeline.readme"
    assert len(lines) <= 75


def test_a_number_of_the_readme_is_of_real_recordings_where_there_are_some(tmp_path, monkeypatch):
    def write(source, profile, value, **more):
        metrics = [{"name": name, "value": v, "unit": "ms"} for name, v in {"test/mae": value, **more}.items()]
        content = {"source": source, "profile": profile, "metrics": metrics}
        (tmp_path / f"01_tiny.{source}.{profile}.json").write_text(json.dumps(content))

    monkeypatch.setattr(pages, "RESULTS", tmp_path)
    write("simulated", "fast", 1)
    assert readme.headline("01_tiny", "off by {test/mae}") == "off by 1 ms (simulated recordings)"
    write("simulated", "full", 2)
    write("mitdb", "full", 3)
    (tmp_path / "01_tiny.mitdb.full.run.json").write_text(json.dumps({"seconds": 600}))
    assert readme.headline("01_tiny", "off by {test/mae}") == "off by 3 ms (MIT-BIH records, 10-minute run)"
    write("simulated", "fast", 1, other=4)
    assert readme.headline("01_tiny", "{test/mae}, {other}") == "1 ms, 4 ms (simulated recordings)"
    with pytest.raises(SystemExit, match=r"01_tiny: no file .* holds all of nothing"):
        readme.headline("01_tiny", "{nothing}")


def test_results_page_puts_models_in_rows_and_names_the_data(monkeypatch):
    def metric(name, value):
        return {"name": name, "value": value, "ci": [0.1, 0.9], "unit": "", "better": "higher"}

    name = chapters.find()[0].name
    content = {"chapter": name, "source": "simulated", "profile": "fast", "seed": 0}
    content["metrics"] = [metric("patient/ours/f1/V", 0.5), metric("patient/forest/f1/V", 0.25)]
    content["metrics"] += [metric("patient/ours/auroc", 0.75)]
    monkeypatch.setattr(pages, "recorded", lambda: [content])
    page = pages.results()
    assert "Simulated recordings, profile fast" in page
    assert "| ours | 0.500\xa0(0.100\xa0to\xa00.900) |" in page and "| forest | 0.250" in page
    assert "| Model | f1, V ↑ |" in page and "| ours, AUROC | 0.750" in page


def test_a_metric_named_after_a_file_cannot_bring_markup_into_the_results_page(monkeypatch):
    metric = {"name": "own/a|b<script>", "value": 1, "ci": None, "unit": "<b>", "better": ""}
    content = {
        "chapter": chapters.find()[0].name,
        "source": "simulated",
        "profile": "fast",
        "seed": 0,
        "metrics": [metric],
    }
    monkeypatch.setattr(pages, "recorded", lambda: [content])
    page = pages.results()
    assert "a\\|b&lt;script&gt;" in page and "<script>" not in page and "<b>" not in page


def test_a_page_on_real_recordings_says_what_it_is_and_leads_from_where_it_lies():
    cell = nbformat.v4.new_markdown_cell("# T\n\n[a](../book/references.md#x) [b](06_other.ipynb)")
    run = {"chapter": "07_t", "title": "T", "parameters": {"source": "mitdb", "profile": "full"}}
    run |= {"date": "2026-01-02", "seconds": 120, "device": "two cores"}
    page = refresh.real_page(nbformat.v4.new_notebook(cells=[cell]), run).cells[0].source
    assert page.startswith("# T (MIT-BIH records)\n\n> This page is [the chapter](../../notebooks/07_t.ipynb)")
    assert "2026-01-02" in page and "in 2 minutes" in page
    assert "[a](../references.md#x) [b](../../notebooks/06_other.ipynb)" in page


def test_results_and_status_show_what_is_committed():
    real = {p.name.removesuffix(".run.json") for p in pages.RESULTS.glob("*.run.json")}
    assert real and all((pages.RESULTS / f"{name}.json").is_file() for name in real)
    assert pages.results().count(", profile full") == sum(name.endswith(".full") for name in real)
    assert all(f"| {name.split('.')[1]} | {name.split('.')[2]} |" in pages.status() for name in real)


def test_the_address_of_the_repository_is_replaced_everywhere(tmp_path, monkeypatch):
    monkeypatch.setattr(chapters, "ROOT", tmp_path)
    shutil.copy(ROOT / "_config.yml", tmp_path)
    (tmp_path / "README.md").write_text(f"see {repository.current()}/issues")
    subprocess.run("git init -q && git add .", shell=True, cwd=tmp_path, check=True)
    repository.replace("https://github.com/someone/a-book.git")
    assert repository.current() == "https://github.com/someone/a-book"
    assert (tmp_path / "README.md").read_text() == "see https://github.com/someone/a-book/issues"
    with pytest.raises(SystemExit, match="not of the form"):
        repository.replace("someone/a-book")


def test_a_second_refresh_changes_nothing(tmp_path, monkeypatch):
    chapter = chapters.find()[0]
    run = tmp_path / "build" / "runs" / "default"
    run.mkdir(parents=True)
    shutil.copy(chapter.notebook, run)
    name = f"{chapter.name}.simulated.fast.json"
    shutil.copy(ROOT / "book" / "results" / name, run)
    (run / f"{chapter.name}.run.json").write_text(json.dumps({"results": name}))
    monkeypatch.setattr(chapters, "BUILD", tmp_path / "build")
    monkeypatch.setattr(chapters, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(chapters, "find", lambda: [chapter])
    monkeypatch.setattr(pages, "RESULTS", tmp_path / "results")
    before = (ROOT / "notebooks" / f"{chapter.name}.ipynb").read_bytes()
    refresh._copy_results(run, chapter.name)
    assert (tmp_path / "results" / name).read_bytes() == (ROOT / "book" / "results" / name).read_bytes()
    assert nbformat.writes(execute.clean(nbformat.reads(before.decode(), 4))).encode() == before.rstrip(b"\n")


@pytest.fixture
def table(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "FOLDER", tmp_path)
    monkeypatch.setattr(sweep, "BUILD", tmp_path / "build")
    monkeypatch.setattr(sweep, "BOOK", tmp_path / "book")
    return tmp_path / "01_tiny.tsv"


def test_a_sweep_runs_the_chapter_for_each_row_and_collects_what_it_recorded(table, tiny):
    table.write_text("seed\n1\n2\n")
    for row in sweep.rows("01_tiny").to_dict("records"):
        execute.execute(tiny, sweep.folder("01_tiny", row), row, 1)
    sweep.main("01_tiny", "all/ours")
    collected = (sweep.BUILD / "01_tiny.csv").read_text().splitlines()
    assert collected == [
        "seed,name,value,unit,better",
        "1,all/ours/answer,43.0,ms,higher",
        "2,all/ours/answer,44.0,ms,higher",
    ]
    assert (sweep.BUILD / "01_tiny.png").stat().st_size > 1000
    assert (sweep.BOOK / "_static" / "sweep_01_tiny.png").stat().st_size > 1000
    lines = (sweep.BOOK / "sweeps" / "01_tiny.md").read_text().splitlines()
    assert "| seed | all/ours/answer |" in lines and "| 2 | 44 |" in lines


@pytest.mark.parametrize(
    "content, message", [("sed\n1\n", "sed is no parameter.*seed"), ("seed\n1\n1\n", "row 3 stands there twice")]
)
def test_a_sweep_that_does_not_fit_its_chapter_is_refused(table, content, message):
    table.write_text(content)
    with pytest.raises(SystemExit, match=message):
        sweep.rows("01_tiny")


def test_an_unknown_sweep_is_refused_with_the_known_ones(table):
    table.write_text("seed\n1\n")
    with pytest.raises(SystemExit, match=r"no sweep 02_other; there are: 01_tiny"):
        sweep.rows("02_other")


EXERCISES = """## Exercises

1. How much is missing?

   ```python
   missing = ...
   ```

   <details><summary>Solution</summary>

   ```python
   missing = 50 - answer
   for name in ("a", "b"):
       print(name)
   ```

   Eight. Then:

   ```python
   check("it is not much", missing < 10)
   ```

   </details>

2. Why? <details><summary>Solution</summary>Nobody knows.</details>
"""


def test_solutions_are_the_folded_code_and_not_what_starts_the_reader_off():
    (code,) = exercises.solutions([nbformat.v4.new_code_cell("1"), nbformat.v4.new_markdown_cell(EXERCISES)])
    assert code.splitlines() == [
        "missing = 50 - answer",
        'for name in ("a", "b"):',
        "    print(name)",
        'check("it is not much", missing < 10)',
    ]


def test_solutions_stand_at_the_end_of_what_is_tested(tiny, tmp_path):
    cells = [nbformat.v4.new_code_cell("answer = 42"), nbformat.v4.new_markdown_cell(EXERCISES)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tiny.notebook)
    exercises.write(tmp_path / "new" / "folder")
    tested = nbformat.read(tmp_path / "new" / "folder" / tiny.notebook.name, 4)
    assert [c.cell_type for c in tested.cells] == ["code", "markdown", "code"]
    assert tested.cells[-1].source.startswith("missing = 50 - answer")
    assert tested.cells[-1].metadata.tags == ["nbval-ignore-output", "solution-1"]
