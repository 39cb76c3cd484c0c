# `make demo` and `make test` work on a fresh clone: each makes its environment in .venv first, once.
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test lint types manifest clean

help:
	@echo "make demo      segment the bundled samples, write labels, scores and an overlay"
	@echo "make test      run the tests; ARGS='tests/data -k stack' narrows them down, ARGS='-m slow' runs those that take long"
	@echo "make lint      ruff, rules and formatting"
	@echo "make types     mypy"
	@echo "make manifest  the napari manifest and every name it refers to"
	@echo "make clean     remove the environment and the caches"

demo: $(VENV)/.ready-demo
	scripts/qt_run.sh $(BIN)/napari-sam2 demo $(ARGS)

test: $(VENV)/.ready-test
	scripts/qt_run.sh --virtual-display $(BIN)/python -m pytest --numprocesses 2 --dist loadgroup $(ARGS)

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.ready-dev
	$(BIN)/mypy

manifest: $(VENV)/.ready-demo
	$(BIN)/npe2 validate --imports napari-sam2

$(VENV)/.ready-%: scripts/setup_env.sh pyproject.toml constraints.txt
	scripts/setup_env.sh $*
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
