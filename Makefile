# `make demo` and `make test` work on a fresh clone: they set up .venv themselves, and a later run reuses it.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --no-input -c constraints.txt
SETUP := pyproject.toml constraints.txt

.PHONY: demo test test-long faults lint bench eval pictures clean

demo: .venv/core
	@$(BIN)/bibwatch demo

test: .venv/full
	@echo "== Testing (about nine minutes)"
	@$(BIN)/python -m pytest -m "not long"

test-long: .venv/full
	@echo "== Testing what takes long: every shared photo, trainings, a switch of engines, folders that go (about nine minutes)"
	@$(BIN)/python -m pytest -m long

FAULTS :=

faults: .venv/core
	@echo "== Doing harm to the real service (half an hour; FAULTS=--bounded: about five minutes)"
	@$(BIN)/python -m tests.faults $(FAULTS)

lint: .venv/lint
	@echo "== Checking style, borders and types"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

EVAL :=

eval: .venv/full
	@echo "== Measuring how right the bibs are, then each effort, beside the notebook's detector (about ten minutes)"
	@$(BIN)/python -m tests.accuracy $(EVAL)
	@$(BIN)/python -m tests.efforts

bench: .venv/full
	@echo "== Measuring both ways to read photos, then what the service costs around that (a quarter of an hour)"
	@$(BIN)/bibwatch bench
	@$(BIN)/python -m tests.bench

pictures: .venv/full
	@echo "== Taking the README's pictures of the page (a minute)"
	@$(BIN)/python -m pytest -q tests/acceptance/test_page_looks.py
	@$(BIN)/python -m tests.pictures

clean:
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache

.venv/core: $(SETUP)
	@echo "== Setting up .venv with the core of bibwatch and its page (about half a minute)"
	@$(PYTHON) -m venv .venv
	@$(PIP) -e '.[web]'
	@touch $@

.venv/lint: .venv/core
	@echo "== Adding the linters"
	@$(PIP) -e '.[lint,web]'
	@touch $@

.venv/full: .venv/core
	@echo "== Adding the test tools and the extras dossard, gpu and train: torch, torchvision, easyocr, ... (some minutes, 6 GB)"
	@$(PIP) -e '.[test,dossard,gpu,train,web]'
	@if pkg-config --exists libsystemd 2>/dev/null; then \
		echo "== Adding systemd-python"; \
		$(PIP) -e '.[systemd]' || echo "== Left out: systemd-python, because it does not build here"; \
	else \
		echo "== Left out: systemd-python, because libsystemd's headers are not here (Debian: libsystemd-dev pkg-config gcc)"; \
	fi
	@touch $@
