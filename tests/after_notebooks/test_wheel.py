"""The way of a hosted notebook: the built wheel and one notebook, alone in an empty folder.

The environment holds the package's own dependencies and a kernel, nothing of the book's tools.
"""

import os
import shutil
import subprocess
import sys
import zipfile

import nbformat
import pytest

from pipeline import chapters

HOME = chapters.BUILD / "alone"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(chapters.ROOT)]
    subprocess.run(command, check=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def python(wheel):
    """An environment with the wheel and what the wheel asks for; kept between runs while the requirements hold."""
    requirements = (chapters.ROOT / "constraints.txt").read_text() + (chapters.ROOT / "pyproject.toml").read_text()
    stamp, binary = HOME / "requirements.txt", HOME / "bin" / "python"
    if not (stamp.is_file() and stamp.read_text() == requirements):
        shutil.rmtree(HOME, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
        pip(binary, "-c", str(chapters.ROOT / "constraints.txt"), str(wheel), "ipykernel", "nbclient")
        stamp.write_text(requirements)
    pip(binary, "--no-deps", "--force-reinstall", str(wheel))
    return binary


def pip(python, *words):
    command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *words]
    subprocess.run(command, check=True)


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "cardio_utils/notebook.py" in names
    assert all(n.startswith(("cardio_utils/", "cardio_utils-")) for n in names)


def test_no_tool_of_the_book_came_with_it(python):
    listed = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout
    assert not [t for t in ("jupyter-book", "papermill", "nbval", "jupytext") if t in listed.lower()]


def test_a_notebook_runs_alone_in_an_empty_folder(python, tmp_path):
    chapter = chapters.find()[0]
    shutil.copy(chapter.notebook, tmp_path / "alone.ipynb")
    code = (
        "import nbformat; from nbclient import NotebookClient; book = nbformat.read('alone.ipynb', 4);"
        "NotebookClient(book, kernel_name='python3', timeout=600).execute(); nbformat.write(book, 'alone.ipynb')"
    )
    # No environment of ours, no way to install, no network: what the wheel brought has to be enough.
    environment = {"PATH": f"{python.parent}:/usr/bin:/bin", "HOME": str(tmp_path / "home"), "PIP_NO_INDEX": "1"}
    environment |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment |= {k: os.environ[k] for k in ("LANG", "OMP_NUM_THREADS") if k in os.environ}
    subprocess.run([str(python), "-c", code], cwd=tmp_path, env=environment, check=True)
    cells = nbformat.read(tmp_path / "alone.ipynb", 4).cells
    assert all(c.execution_count for c in cells if c.cell_type == "code")
    assert any("checked: " in o.get("text", "") for c in cells for o in c.get("outputs", []))
