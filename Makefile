# make book         build the book into _build/html (needs no GPU; the notebooks hold their outputs)
# make test         every test, documentation example and notebook
# make notebooks    run the chapters again from clean kernels and store their outputs
# make lint         check the style of the code
# make lint-book    check how the chapters are written: parts, exercises, words of the glossary
# make check-numpy  do NumPy 1.26 and the newest give the same streams? (own environments, a minute)
# make fuzz         100,000 damaged streams; see scripts/fuzz.py for the coverage-guided mode
# make clean        remove the built book (make distclean: and .venv)
# Options:
# PYTHON=python3.12     the Python to use, 3.10 or newer
# WORKERS=4             processes for the tests, a file each at a time (2)
# TORCH_INDEX=address   where pip finds CPU-only builds of torch (see README.md)

PYTHON ?= python3
TORCH_INDEX ?=
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BUILD = $(BIN)/jupyter-book build . -W -n --keep-going
# Sphinx looks at pages alone: where none is new, it would not even copy a new style sheet.
LOOK = $(shell find book/_static book/_templates book/_ext -type f -newer _build/html/searchindex.js 2>/dev/null)

.PHONY: book book-all test notebooks lint lint-book check-numpy fuzz clean distclean install help
help:
	@sed -n '/^$$/q; s/^# //p' Makefile

install: $(INSTALLED)

$(INSTALLED): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "cwlib needs Python 3.10 or newer, but PYTHON=$(PYTHON) is not: try make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment: on Debian and Ubuntu, install python3-venv" >&2; exit 1; }
	@echo "Installing what requirements.txt names into $(VENV): once, a few minutes"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -r requirements.txt
	@touch $@

book: $(INSTALLED)
	$(BUILD) $(if $(LOOK),--all)

book-all: $(INSTALLED)
	$(BUILD) --all

# One call, so that one summary counts it all: tests, doctests, the chapters' cells. A file stays
# with one process, which has a thread to itself; notebooks, which take a minute at most, come last.
test: $(INSTALLED)
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile \
	  --no-loadscope-reorder tests cwlib benchmarks book --doctest-modules \
	  --ignore=book/_ext --nbval-lax --nbval-current-env $(PYTEST_ARGS)

notebooks: $(INSTALLED)
	$(BIN)/python scripts/run_notebooks.py $(NOTEBOOKS)

lint: $(INSTALLED)
	$(BIN)/ruff check . --extend-exclude '*.ipynb'
	$(BIN)/ruff check book --select F --ignore F401

lint-book: $(INSTALLED)
	$(BIN)/python scripts/check_notebooks.py
	$(BIN)/python scripts/lint_book.py

check-numpy: $(INSTALLED)
	$(BIN)/python scripts/check_numpy.py

fuzz: $(INSTALLED)
	$(BIN)/python scripts/fuzz.py --plain --runs 100000

clean:
	rm -rf _build

distclean: clean
	rm -rf $(VENV)
