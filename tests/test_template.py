"""A chapter from the template: it runs as it stands and meets the rules that tests/test_notebooks.py has for all."""

import json
import shutil
import subprocess
import sys

import pytest

from pipeline import chapters, template

NAME = "99_trial"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The checkout without its chapters, with one from the template, executed."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("pipeline", "book", "tests"):
        unneeded = shutil.ignore_patterns("__pycache__", "*.ipynb")
        shutil.copytree(chapters.ROOT / name, folder / name, ignore=unneeded)
    for name in ("_config.yml", "pyproject.toml"):
        shutil.copy(chapters.ROOT / name, folder / name)
    (folder / "notebooks").mkdir()
    (folder / "cardio_utils").symlink_to(chapters.PACKAGE)
    made = python(folder, "pipeline.template", NAME, "A trial: does it run?")
    assert "_toc.yml" in made and "README.md" in made
    python(folder, "pipeline.execute", NAME, "notebooks", "{}", "1")
    return folder


def python(folder, module, *words):
    outcome = subprocess.run([sys.executable, "-m", module, *words], cwd=folder, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout


def test_its_chapter_meets_the_rules_of_all_chapters(copy):
    shown = python(copy, "pytest", "-q", "-p", "no:cacheprovider", "tests/test_notebooks.py", "-k", NAME)
    rules = (chapters.ROOT / "tests" / "test_notebooks.py").read_text()
    assert f"{rules.count('@chapter') + rules.count('@notebook')} passed" in shown


def test_the_solutions_of_its_exercises_run(copy):
    python(copy, "pipeline.exercises", "tested")
    shown = python(copy, "pytest", "--nbval-lax", "--nbval-current-env", "-v", "-p", "no:cacheprovider", "tested")
    code = (copy / "tested" / f"{NAME}.ipynb").read_text().count('"cell_type": "code"')
    assert f"{code} passed" in shown


def test_its_chapter_has_the_title_and_records_numbers(copy):
    assert "# # A trial: does it run?\n" in (copy / "notebooks" / f"{NAME}.py").read_text()
    metrics = json.loads((copy / "notebooks" / f"{NAME}.simulated.fast.json").read_text())["metrics"]
    assert "patients_held_out/network_minus_linear/auroc" in {m["name"] for m in metrics}
    assert all(m["tolerance"] <= max(0.1, m["value"] / 4) for m in metrics if m["better"] and not m["ci"])


@pytest.mark.parametrize(
    ("name", "title", "message"),
    [
        ("conduction", "T", "two digits"),
        ("14_../x", "T", "two digits"),
        ("14_conduction", " ", "title in one line"),
        ("01_other", "T", "01_nea_against_patch already"),
    ],
)
def test_what_cannot_be_a_chapter_is_refused(name, title, message):
    with pytest.raises(SystemExit, match=message):
        template.write(name, title)
