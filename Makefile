# Two commands start everything: 'make demo' runs asdcore on sound it makes itself, 'make test' proves this checkout.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test check docs pictures links bench processors encoders plugins refreeze venv clean

demo: venv
	$(BIN)/asdcore demo

# With byte code, which some environments do not let Python write: each of the commands that tests start would compile anew.
test: venv
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n auto --dist loadfile

check: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy asdcore plugins/asdcore_plugins
	$(BIN)/pytest -q tests/test_layers.py

# The pages of docs/ as HTML in build/docs. A test builds them too, so a page that does not build cannot land.
docs: venv
	$(BIN)/sphinx-build -q -W -n --keep-going docs build/docs
	@echo 'Open build/docs/index.html in a browser.'

# After a change of the report, its pictures in docs/pictures are made anew. Needs chromium (apt-get install chromium).
pictures: venv
	$(BIN)/python -m docs.screenshots

# Ask the network whether every link of the documents to another site still leads somewhere.
links: venv
	$(BIN)/python -m docs.links

# As installed: with byte code, which some environments do not let Python write.
bench: venv
	PYTHONDONTWRITEBYTECODE= $(BIN)/python benchmarks/bench.py

# The frozen tiny run, two portfolios and a network under every variable that chooses another processor's code: all equal.
processors: venv
	$(BIN)/python -m benchmarks.processors

# After a change of an encoder or a checkpoint's entry, the facts in registry/ and plugins/ENCODERS.md are made anew.
encoders: venv
	$(BIN)/python -m benchmarks.encoders

# After a change of a plugin's docstring or parameters, the table in plugins/README.md is made anew.
plugins: venv
	$(BIN)/python -m benchmarks.plugins_table

# After a change of the code, the frozen run that is kept in manifests/ must be made anew.
refreeze: venv
	rm -rf runs/tiny manifests/tiny.json
	$(BIN)/asdcore data synth runs/tiny/data --profile tiny
	$(BIN)/asdcore run demo --data runs/tiny/data --task dcase2026 --out runs/tiny/run --store runs/tiny/store
	$(BIN)/asdcore freeze runs/tiny/run --out manifests/tiny.json --time 2026-11-22T00:00:00Z

venv: $(READY)

# torch first and by itself: a plain 'torch', drawn in by another package, is a build of several gigabytes.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "asdcore needs Python 3.11 or newer: make PYTHON=python3.11"'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --constraint constraints.txt hatchling
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[report,test,check,docs]'
	touch $(READY)

clean:
	rm -rf .venv build dist runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
