"""Execute one chapter: pair, run with papermill in a process of its own, clean, say how long it took.

python -m pipeline.execute 06_healthy_or_irregular _build/runs/default '{}' 1
"""

import base64
import datetime
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jupytext
import nbformat
from PIL import Image

from pipeline import alone
from pipeline.chapters import Chapter

KEPT_CELL_METADATA = ("tags", "mystnb")
NO_PORT = "Address already in use"  # two kernels that start at the same moment may be given the same one: begin again


def pair(chapter):
    """The notebook of a chapter's source, without outputs, with cell ids that depend on nothing but the source."""
    return clean(jupytext.read(chapter.source))


def clean(notebook):
    """Drop what papermill, jupytext and kernels leave in a notebook, so that only a changed result is a change."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.id = hashlib.sha256(f"{number}\0{cell.source}".encode()).hexdigest()[:8]
        cell.metadata = nbformat.from_dict({k: cell.metadata[k] for k in KEPT_CELL_METADATA if cell.metadata.get(k)})
        if cell.cell_type == "code":
            cell.outputs = _merged(cell.outputs)
        for output in cell.get("outputs", []):
            if "metadata" in output:
                output.metadata = nbformat.from_dict({})
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = _smaller(output.data["image/png"])
    return notebook


def _smaller(png):
    """A figure in 256 colours, a third of the size; one that has no more already stays as it is."""
    image = Image.open(io.BytesIO(base64.b64decode(png)))
    if image.mode == "P":
        return png
    opaque = Image.new("RGB", image.size, "white")
    opaque.paste(image, mask=image.getchannel("A") if image.mode == "RGBA" else None)
    target = io.BytesIO()
    opaque.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(target, "PNG", optimize=True)
    return base64.b64encode(target.getvalue()).decode()


def _merged(outputs):
    """Printed text in one piece: how a kernel cuts it into messages depends on how busy the machine is."""
    merged = []
    for output in outputs:
        if merged and output.output_type == "stream" and output.get("name") == merged[-1].get("name"):
            merged[-1].text += output.text
        else:
            merged.append(output)
    return merged


def execute(chapter, folder, parameters, threads):
    """Run a chapter into `folder`: its notebook, its results and ``NAME.run.json`` (seconds, date, device).

    Everything is made in a hidden folder beside them and moved when it is whole, the notebook last: a run that is
    killed leaves the files of the run before, and its hidden folder, which the next run removes.
    """
    print(f"{chapter.name}: running", flush=True)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f".{chapter.name}.*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".{chapter.name}.", dir=folder, ignore_cleanup_errors=True) as scratch:
        _execute(chapter, folder, Path(scratch), parameters, threads)


def _execute(chapter, folder, scratch, parameters, threads):
    source_hash = chapter.source_hash()  # of what runs, whatever is edited meanwhile
    environment = os.environ | {
        "CARDIO_RESULTS": str(scratch.resolve()),
        "CARDIO_QUIET": "1",
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "NUMBA_NUM_THREADS": str(threads),
    }
    paired, executed = scratch / "paired.ipynb", scratch / "executed.ipynb"
    nbformat.write(pair(chapter), paired)
    given = [word for k, v in parameters.items() for word in _argument(k, v)]
    command = [sys.executable, "-m", "papermill", str(paired), str(executed), *given]
    command += ["-k", "python3", "--no-progress-bar", "--log-level", "ERROR", "--cwd", str(folder)]
    # A short run is saved once at its end; a long one cell by cell, so that a crash keeps what was done.
    if not parameters:
        command += ["--no-request-save-on-cell-execute", "--autosave-cell-every", "0"]
    start = time.monotonic()
    kept = folder / f"{chapter.name}.executed.ipynb"
    try:
        for _ in range(3):
            outcome = subprocess.run(command, env=environment, capture_output=True, text=True)
            if NO_PORT not in outcome.stderr:
                break
    finally:
        if executed.is_file():
            os.replace(executed, kept)
    seconds = time.monotonic() - start
    if outcome.returncode:
        raise SystemExit(_failure(chapter, kept, outcome))
    results, run = _finish_results(chapter, scratch, parameters, seconds, threads, source_hash)
    notebook = scratch / f"{chapter.name}.ipynb"
    nbformat.write(clean(nbformat.read(kept, 4)), notebook)
    for made in (results, run, notebook):
        os.replace(made, folder / made.name)
    kept.unlink()
    print(f"{chapter.name}: {seconds:.0f} s", flush=True)


def _argument(name, value):
    """`-r` passes text as it is; `-p` would turn the record name "100" into a number."""
    if name == "recording":
        value = str(Path(value).resolve())  # the notebook runs in the folder of the run, where its table is kept
    return ["-r" if isinstance(value, str) else "-p", name, str(value)]


def _finish_results(chapter, folder, parameters, seconds, threads, source_hash):
    """Put the hash of the source into the results, and the facts of this run beside them: both files."""
    values = chapter.parameters | parameters
    results = folder / f"{chapter.name}.{values['source']}.{values['profile']}.json"
    if not results.is_file():
        raise SystemExit(f"{chapter.name} recorded no result: its setup() must name the chapter {chapter.name}")
    _write_json(results, {**json.loads(results.read_text()), "source_hash": source_hash})
    facts = {
        "chapter": chapter.name,
        "title": chapter.title,
        "parameters": values,
        "results": results.name,
        "seconds": round(seconds, 1),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "device": f"{platform.machine()}, {threads} thread{'s' * (threads > 1)}",
        "source_hash": source_hash,
    }
    return results, _write_json(folder / f"{chapter.name}.run.json", facts)


def _write_json(path, content):
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return path


def _failure(chapter, executed, outcome):
    """Notebook, cell and error of a failed run, short enough to read."""
    message = [f"\n{chapter.source} failed."]
    if executed.is_file():
        cells = [c for c in nbformat.read(executed, 4).cells if "papermill" not in str(c.metadata.get("tags"))]
        for cell in cells:
            for output in cell.get("outputs", []):
                if output.output_type == "error":
                    message += [f"Cell [{cell.execution_count}]:", cell.source, "", f"{output.ename}: {output.evalue}"]
                    message += ["", f"The whole notebook, with the traceback: {executed}"]
                    return "\n".join(message)
    if outcome.returncode in (137, 138, -9):
        message.append("The kernel died, most likely for want of memory.")
    return "\n".join([*message, outcome.stdout[-2000:], outcome.stderr[-4000:]])


if __name__ == "__main__":
    name, folder, parameters, threads = sys.argv[1:]
    alone.job()
    try:
        execute(Chapter(name), folder, json.loads(parameters), int(threads))
    except KeyboardInterrupt:
        raise SystemExit(f"{name}: interrupted, nothing is lost: the same command goes on") from None
