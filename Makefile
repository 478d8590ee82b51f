# Every target does its own set-up in .venv: Python 3.11 or later, pip and make are all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One run of pip for each set of dependencies; a change of pyproject.toml runs it again.
RUN_STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
SOURCES := geomlib tests benchmarks geometries docs
BENCHMARKS := assemble stream fused reduce split integrate scaling first_use memory read_crystfel compat runs

.PHONY: demo test test-slow test-clients test-compat test-notebooks test-nojit check lint types format bench bench-full bench-docs geometries pictures clean

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(DEV_STAMP): pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ $(RUN_STAMP)

demo: $(RUN_STAMP)
	$(BIN)/geomlib demo

test: $(DEV_STAMP)
	$(BIN)/python -m pytest -n auto --dist loadfile -m 'not slow'

# What compiles many more versions of the loops: before a release, or a change of the kernels.
test-slow: $(DEV_STAMP)
	$(BIN)/python -m pytest -n auto --dist loadfile -m slow

# Programs that read what geomlib writes; their Debian packages are installed where they are missing.
test-clients: $(DEV_STAMP)
	sh tests/clients/install.sh
	$(BIN)/python -m pytest -m clients tests/clients -rA

# EXtra-geom's own tests, which are fetched once, and ours, with its drop-in replacement.
test-compat: $(DEV_STAMP)
	GEOMLIB_FETCH=1 $(BIN)/python -m pytest -rA --no-header -q -m slow tests/compat

# Runs docs/notebooks/*.ipynb, which the other targets only look at.
test-notebooks: $(DEV_STAMP)
	$(BIN)/python -m pytest -m notebooks tests/docs --durations=0

# Our own loops as plain Python; tests of these see none that others do not.
WITHOUT_LOOPS := formats checking compat runs cli data detectors benchmarks docs
test-nojit: $(DEV_STAMP)
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -n auto -m 'not jit' $(WITHOUT_LOOPS:%=--ignore=tests/%)

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV_STAMP)
	$(BIN)/mypy

check: lint types test test-nojit test-compat test-notebooks

format: $(DEV_STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV_STAMP)
	for name in $(BENCHMARKS); do echo; $(BIN)/python -m benchmarks.$$name --quick || exit 1; done

# Half an hour; 6 GiB of memory, and 13 GB of files for a while in the folder for temporary ones.
bench-full: $(DEV_STAMP)
	mkdir -p build/benchmarks
	for name in $(BENCHMARKS); do \
		$(BIN)/python -m benchmarks.$$name > build/benchmarks/$$name.txt || exit 1; \
		echo; cat build/benchmarks/$$name.txt; done

# Puts what bench-full printed into the documentation.
bench-docs: $(DEV_STAMP)
	$(BIN)/python -m benchmarks.document build/benchmarks

geometries: $(RUN_STAMP)
	$(BIN)/python -m geometries.write

pictures: $(RUN_STAMP)
	$(BIN)/python -m docs.pictures

clean:
	rm -rf $(VENV) build dist *.egg-info demo
