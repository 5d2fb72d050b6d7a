"""Nothing that comes from a file or a parameter is run, and nothing is written outside of its folder."""

import ast
import io
import tarfile

import pytest

from cardio_utils.data import fetch, optical
from pipeline import chapters

CODE = [
    p for room in ("cardio_utils", "pipeline", "benchmarks", "notebooks") for p in (chapters.ROOT / room).rglob("*.py")
]
NEVER = {"eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads", "pickle.Unpickler", "yaml.load"}
NEVER |= {"pd.read_pickle", "pandas.read_pickle", "joblib.load", "marshal.loads", "shelve.open", "__import__"}
ONLY_WITH = {"np.load": ("allow_pickle", False), "torch.load": ("weights_only", True)}


def calls(path):
    text = "\n".join(
        line if not line.lstrip().startswith(("%", "!")) else "pass" for line in path.read_text().split("\n")
    )
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]


def faults(call):
    """What is wrong with one call, if anything is."""
    name = ast.unparse(call.func)
    given = {word.arg: ast.unparse(word.value) for word in call.keywords}
    if name in NEVER:
        yield f"{name} runs what it is given"
    if name in ONLY_WITH and given.get(ONLY_WITH[name][0]) != str(ONLY_WITH[name][1]):
        yield f"{name} without {ONLY_WITH[name][0]}={ONLY_WITH[name][1]}"
    if given.get("shell", "False") != "False":
        yield f"{name} through a shell"


def test_nothing_is_unpickled_freely_and_no_command_goes_through_a_shell():
    found = [f"{path}, line {call.lineno}: {fault}" for path in CODE for call in calls(path) for fault in faults(call)]
    assert CODE and not found, "\n".join(found)


def test_tables_are_read_in_the_way_that_survives_every_number(tmp_path):
    package = [path for path in CODE if path.is_relative_to(chapters.PACKAGE)]
    users = {path.name for path in package for call in calls(path) if ast.unparse(call.func) == "pd.read_csv"}
    assert users == {"fetch.py"}
    (tmp_path / "a.csv").write_text("x\n0.026208622e51284170706\n")
    assert fetch.read_csv(tmp_path / "a.csv").shape == (1, 1)


@pytest.mark.parametrize("line", ["eval(x)", "pickle.load(f)", "np.load(p)", "torch.load(p)", "run(x, shell=True)"])
def test_the_search_finds_what_it_looks_for(line, tmp_path):
    (tmp_path / "a.py").write_text(line)
    assert [fault for call in calls(tmp_path / "a.py") for fault in faults(call)]


def test_an_archive_that_is_read_in_memory_may_not_fill_it(tmp_path, monkeypatch):
    monkeypatch.setattr(optical, "_LARGEST", 1000)
    with tarfile.open(tmp_path / "optical-and-patch-selection.tar.xz", "w:xz") as archive:
        member = tarfile.TarInfo("../../optical/Drug1/Well01.csv")
        member.size = 2000
        archive.addfile(member, io.BytesIO(bytes(2000)))
    with pytest.raises(ValueError, match=r"optical-and-patch-selection\.tar\.xz holds 2,000 bytes"):
        optical.read(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["optical-and-patch-selection.tar.xz"]
