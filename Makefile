# `make demo` and `make test` work on a fresh clone: each makes its environment in .venv first, once.
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test lint types manifest docs packages clean

help:
	@echo "make demo      segment the bundled samples, write labels, scores and an overlay"
	@echo "make test      run the tests; ARGS='tests/data -k stack' narrows them down, ARGS='-m slow' runs those that take long"
	@echo "make lint      ruff, rules and formatting"
	@echo "make types     mypy"
	@echo "make manifest  the napari manifest and every name it refers to, and that all requirements go together"
	@echo "make docs      the documentation as pages in site/; broken links are errors, and so is what a page loads from other hosts"
	@echo "make packages  wheel and source archive in dist/, checked as the package index checks them; citation, issue forms and workflows by their schemas"
	@echo "make clean     remove the environment and the caches"

demo: $(VENV)/.ready-demo
	scripts/qt_run.sh $(BIN)/napari-sam2 demo $(ARGS)

test: $(VENV)/.ready-test
	scripts/qt_run.sh --virtual-display $(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(ARGS)

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.ready-dev
	$(BIN)/mypy

manifest: $(VENV)/.ready-demo
	$(BIN)/npe2 validate --imports napari-sam2
	$(BIN)/python -m pip check

# With environments of their own: they are small, and the package is not installed in them.
docs: .venv-docs/.ready
	.venv-docs/bin/mkdocs build --strict
	.venv-docs/bin/python scripts/check_site.py site

packages: .venv-release/.ready
	rm -rf dist
	.venv-release/bin/python -m build
	.venv-release/bin/twine check --strict dist/*
	.venv-release/bin/check-wheel-contents dist/*.whl
	.venv-release/bin/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	.venv-release/bin/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/idea.yml
	.venv-release/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

.venv-%/.ready: scripts/setup_env.sh pyproject.toml constraints.txt
	scripts/setup_env.sh $*
	@touch $@

$(VENV)/.ready-%: scripts/setup_env.sh pyproject.toml constraints.txt
	scripts/setup_env.sh $*
	@touch $@

clean:
	rm -rf $(VENV) .venv-docs .venv-release dist site .pytest_cache .mypy_cache .ruff_cache
