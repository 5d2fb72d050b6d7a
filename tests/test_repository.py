"""The repository as a whole: environments agree, rooms keep their order, importing is light, README is what CI runs."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LIGHT = [
    "torch",
    "lightning",
    "xgboost",
    "captum",
    "shap",
    "matplotlib",
    "pandas",
    "numba",
    "wfdb",
    "statsmodels",
    "optuna",
    "neurokit2",
    "plotly",
    "neo",
]
ROOMS = [
    ["signals"],
    ["action_potential", "ecg", "lead_algebra", "beat_features", "events", "pictures"],
    ["physics", "residuals"],
    ["simulate"],
    ["data"],
    ["models"],
    ["losses", "training"],
    ["evaluation"],
    [
        *("agreement", "regression", "sites", "reconstruction", "intervals", "channels"),
        *("activation", "transmembrane", "leads", "labels", "detectors", "potassium"),
    ],
    ["explain", "plots", "review"],
    ["notebook"],
]


def constraints():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.lower().replace("_", "-").split("==") for line in lines if line and line[0] != "#")


def all_requirements():
    extras = PROJECT["optional-dependencies"]
    return [Requirement(r) for r in [*PROJECT["dependencies"], *(r for extra in extras.values() for r in extra)]]


@pytest.mark.parametrize("requirement", all_requirements(), ids=str)
def test_constraints_hold_one_fitting_version_of_every_requirement(requirement):
    version = constraints()[requirement.name.lower().replace("_", "-")]
    assert requirement.specifier.contains(version, prereleases=True)


def test_the_package_has_lower_bounds_only_and_needs_no_tool_of_the_book():
    names = [Requirement(r) for r in PROJECT["dependencies"]]
    assert all(s.operator == ">=" for r in names for s in r.specifier)
    assert not {r.name for r in names} & {"jupyter-book", "papermill", "nbval", "jupytext", "snakemake"}


def test_the_conda_environment_is_the_same_one():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    extras = ",".join(e for e in PROJECT["optional-dependencies"] if e != "cluster")
    assert pip["pip"] == ["--constraint constraints.txt", f"--editable .[{extras}]"]
    python = next(d for d in conda if d.startswith("python=")).removeprefix("python=")
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(python)
    assert {"git", "make", "pip"} <= set(conda)
    assert f'-e ".[{extras}]"' in (ROOT / "Makefile").read_text()


def test_ci_runs_the_first_code_block_of_the_readme():
    block = re.search(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL).group(1)
    commands = [line.split("#")[0].strip() for line in block.splitlines()]
    assert commands == ["make book", "make test"]
    script = (ROOT / ".ci" / "run").read_text().splitlines()
    assert [line for line in script if line.startswith("make")] == commands


def test_make_help_names_every_target():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert all(f"make {target} " in shown for target in targets)


def test_importing_the_package_is_light():
    code = f"import cardio_utils, cardio_utils.data, sys; print([m for m in {LIGHT} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_every_module_imports_without_the_heavy_ones_but_for_its_own_room():
    heavy = {"torch", "lightning", "xgboost", "captum", "shap"}
    torch_rooms = {"models", "losses", "training", "explain"}
    for path in (ROOT / "cardio_utils").rglob("*.py"):
        room = path.relative_to(ROOT / "cardio_utils").parts[0].removesuffix(".py")
        top = {
            name.split(".")[0]
            for node in ast.parse(path.read_text()).body
            for name in (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        assert room in torch_rooms or not top & heavy, f"{path} imports {top & heavy} at its top"


def test_rooms_import_only_from_rooms_above_them():
    order = {name: level for level, names in enumerate(ROOMS) for name in names}
    for path in (ROOT / "cardio_utils").rglob("*.py"):
        room = path.relative_to(ROOT / "cardio_utils").parts[0].removesuffix(".py")
        for used in re.findall(r"^\s*(?:from|import) cardio_utils\.(\w+)", path.read_text(), re.MULTILINE):
            fine = used == room or order[used] <= order[room]
            assert room == "__init__" or fine, f"{path} imports {used}"
        for used in re.findall(r"^\s*from cardio_utils import (.+)$", path.read_text(), re.MULTILINE):
            for name in re.findall(r"\w+", used):
                fine = name == room or name not in order or order[name] <= order[room]
                assert fine, f"{path} imports {name}"


def test_no_data_is_tracked():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not re.findall(r".*\.(?:dat|atr|hea|abf|pkl|npy|npz|mat|h5|vtk|csv)$", tracked, re.MULTILINE)
