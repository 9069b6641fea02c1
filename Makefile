# make run     the dashboard        make test    the tests
# make check   ruff, mypy, known vulnerabilities of what is installed
# make fix     what ruff can correct, and the help of the commands in the documents
# make bench   timings against peers
# make lock    requirements.lock: every package of the demo image, with hashes
# make sbom    sbom.cdx.json: the packages of the demo image with their licenses (CycloneDX)

PYTHON ?= python3
BIN := .venv/bin
RELEASE := .venv-release/bin
# What only trains and searches: the demo image leaves it out, with 1.4 GB.
NOT_SERVED := ^(tensorflow|keras-tuner)
# UPGRADE=--upgrade takes newer versions of what requirements.txt does not pin.
UPGRADE ?=
# Further arguments for pytest, for instance TESTS="-m slow".
TESTS ?=

.PHONY: run test install check fix bench lock sbom clean

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
	$(BIN)/pip-audit --disable-pip --require-hashes --requirement requirements.lock --progress-spinner off

fix: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python -m tests.cli.help_blocks

bench: .venv/dev
	$(BIN)/python -m bench

lock: .venv-release/stamp
	grep -vE '$(NOT_SERVED)' requirements.txt | $(RELEASE)/uv pip compile - --universal --python-version 3.12 \
		--generate-hashes --only-binary :all: --no-header --quiet $(UPGRADE) --output-file requirements.lock

# The environment is that of the image, so that licenses are read from the packages themselves.
sbom: .venv-release/stamp
	$(PYTHON) -m venv --clear .venv-release/image
	.venv-release/image/bin/python -m pip install --quiet --require-hashes --only-binary :all: -r requirements.lock
	$(RELEASE)/cyclonedx-py environment .venv-release/image --pyproject pyproject.toml --mc-type application \
		--output-reproducible --output-format JSON --output-file sbom.cdx.json

clean:
	rm -rf .venv .venv-release sbom.cdx.json .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Each stamp is newer than the list that it stands for; a changed list installs again.
.venv/run: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Expected Python 3.11 to 3.13. Received: {v[0]}.{v[1]} (choose another: make PYTHON=python3.12).")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.venv-release/stamp: requirements-release.txt
	$(PYTHON) -m venv .venv-release
	$(RELEASE)/python -m pip install --quiet --disable-pip-version-check -r requirements-release.txt
	@touch $@

.venv/dev: .venv/run requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
