# `make book` and `make test` are all that a newcomer needs; each sets itself up.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

PYTHON ?= python3
CORES ?= $(shell $(PYTHON) -c "import os; print(len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count())")

# An activated conda environment is used as it is; otherwise everything lives in .venv.
ifneq ($(CONDA_PREFIX),)
ENV := $(CONDA_PREFIX)
else
ENV := .venv
endif
RUN := $(ENV)/bin/python
READY := $(ENV)/.book-ready
SNAKEMAKE := $(RUN) -m snakemake --cores $(CORES) --rerun-triggers mtime params input --quiet all --nolock --rerun-incomplete
# Two builds at once in one checkout would write the same files; snakemake and pipeline.refresh take the lock themselves.
ALONE := -m pipeline.alone
NBVAL := $(RUN) -m pytest --nbval --nbval-current-env -p no:cacheprovider --dist loadscope -n $(CORES) -q

export PYTHONHASHSEED := 0

help: ## what each target does, and about how many minutes it takes on two cores
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

env: $(READY) ## set up .venv, or complete the active conda environment (4 min, once)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit('Python 3.11 or newer is needed, $(PYTHON) is ' + sys.version.split()[0]) if sys.version_info < (3, 11) else None"
	@$(PYTHON) $(ALONE) $(MAKE) --no-print-directory install

install: ## what make env does, without asking whether another build is running (4 min)
	@if [ "$(ENV)" = .venv ]; then echo "Setting up .venv (about 4 minutes, once) ..."; $(PYTHON) -m venv .venv; fi
	@set -o pipefail; $(RUN) -m pip install --disable-pip-version-check --progress-bar off -c constraints.txt -e ".[book,test,dev]" \
	  | { grep -E '^(Collecting|Downloading|Installing|Successfully)' | cut -c1-110 || true; }
	@$(RUN) -m pip check
	@touch $(READY)

book: $(READY) ## execute what changed and render the book (12 min the first time, seconds after that)
	@$(SNAKEMAKE)
	@echo "The book is ready: open $(CURDIR)/_build/html/index.html"

test: $(READY) ## unit tests, notebooks and their exercises, results, the wheel alone in an empty folder (20 min)
	@$(RUN) $(ALONE) rm -rf _build/test-results _build/test-notebooks
	$(RUN) $(ALONE) $(RUN) -m pytest -n $(CORES) tests --ignore tests/after_notebooks
	@$(RUN) -m pipeline.exercises _build/test-notebooks
	CARDIO_QUIET=1 CARDIO_RESULTS=$(CURDIR)/_build/test-results OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(RUN) $(ALONE) $(NBVAL) _build/test-notebooks
	$(RUN) $(ALONE) $(RUN) -m pytest tests/after_notebooks

refresh: $(READY) ## bring executed notebooks and their results back into the checkout (seconds after make book)
	@$(SNAKEMAKE) notebooks
	@$(RUN) -m pipeline.refresh

real: $(READY) ## run chapters on real recordings into book/real: make real SOURCE=mitdb ONLY=06,07 (60 min)
	@$(SNAKEMAKE) --config source=$(SOURCE) profile=full only=$(ONLY)
	@$(RUN) -m pipeline.refresh --real source=$(SOURCE) profile=full only=$(ONLY)

bench: $(READY) ## speed and memory as ratios against named peers, into book/benchmarks.md (25 min)
	@$(RUN) -m pipeline.benchmarks

try: $(READY) ## one chapter from its source to its tests: make try ONLY=14 (3 min)
	@test -n "$(ONLY)" || { echo "Which chapter? make try ONLY=14"; exit 2; }
	@$(SNAKEMAKE) --config only=$(ONLY)
	@$(RUN) -m pipeline.refresh --only $(ONLY)
	@$(RUN) -m pytest -q tests/test_notebooks.py -k "$(ONLY)_ or table_of_contents or bibliography"
	@$(RUN) -m pipeline.exercises _build/test-notebooks
	CARDIO_QUIET=1 OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(NBVAL) $$(ls _build/test-notebooks/$(ONLY)_*.ipynb)

chapter: $(READY) ## a new chapter from the template: make chapter NAME=14_slug TITLE="..." (seconds)
	@$(RUN) -m pipeline.template "$(NAME)" "$(TITLE)"

faults: $(READY) ## kill a tiny build twenty times and repeat it: nothing may be half-written (15 min)
	@$(RUN) -m pipeline.faults

audit: $(READY) ## known security problems of the pinned versions (1 min, needs a network)
	@$(RUN) -m pip_audit --strict --no-deps --disable-pip -r constraints.txt

serve: book ## read the book at http://localhost:8000
	@$(RUN) -m http.server --directory _build/html 8000

lint: $(READY) ## style of the code (seconds)
	@$(RUN) -m ruff check . && $(RUN) -m ruff format --check .

repository: $(READY) ## after a fork: make repository URL=https://github.com/you/your-book sets it everywhere
	@$(RUN) -m pipeline.repository $(URL)

clean: ## remove everything that was built (.venv stays)
	$(PYTHON) $(ALONE) rm -rf _build .snakemake/*/

.PHONY: help env install book try chapter test refresh real bench faults audit serve lint repository clean
