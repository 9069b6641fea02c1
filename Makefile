# make run     the dashboard        make test    the tests
# make check   ruff, mypy, known vulnerabilities of what is installed
# make fix     what ruff can correct
# make bench   timings against peers

PYTHON ?= python3
BIN := .venv/bin
# Further arguments for pytest, for instance TESTS="-m slow".
TESTS ?=

.PHONY: run test install check fix bench clean

run: .venv/run
	$(BIN)/streamlit run app.py

test: .venv/dev
	$(BIN)/pytest -n auto --dist worksteal $(TESTS)

install: .venv/dev

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pip-audit --local --skip-editable --progress-spinner off

fix: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/dev
	$(BIN)/python -m bench

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Each stamp is newer than the list that it stands for; a changed list installs again.
.venv/run: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Expected Python 3.11 to 3.13. Received: {v[0]}.{v[1]} (choose another: make PYTHON=python3.12).")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.venv/dev: .venv/run requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
