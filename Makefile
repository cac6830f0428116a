# `make demo` plays a round, `make test` proves the code; both install what they need into .venv first.

PYTHON ?= python3
# On a machine with a GPU any torch >= 2.6 does; the pin is what the suite was last run with.
TORCH  ?= torch==2.13.0
BIN    := .venv/bin
# Tests wait for processes more than they compute: more at once than there are cores, a file's tests one after another.
PYTEST := $(BIN)/python -m pytest -n 4 --dist loadfile

.PHONY: demo test test-slow check bench bench-full referee-report leak-report setup tools system

demo: setup
	$(BIN)/golf demo

test: setup tools system
	$(PYTEST)

test-slow: setup tools system
	$(BIN)/python -m pytest -m slow

check: setup tools system
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(PYTEST)

# Labelled submissions are others' work and not part of the project: DATA is the folder that holds them, CHALLENGE a clone
# of openai/parameter-golf with its pull-request refs. Sections that lack theirs say so.
DATA      ?= ../shared/data
CHALLENGE ?=

referee-report: setup
	$(BIN)/python bench/referee_report.py --data "$(DATA)" $(if $(CHALLENGE),--checkout "$(CHALLENGE)")

# Money: what is left of paid runs when things go wrong, on every back-end that can be played here. KILLS random moments each.
KILLS ?= 5

leak-report: setup
	$(BIN)/python bench/leaks.py --kills $(KILLS)

# Speed, side by side with a baseline in the same run; exit 1 when a goal is missed. BENCH is handed on: BENCH="--only server".
BENCH ?=

bench: setup
	$(BIN)/python bench/speed.py $(BENCH)

bench-full: setup
	$(BIN)/python bench/speed.py --full $(BENCH)

setup: .venv/ready

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet --editable ".[train,mlx,dev]"
	@touch $@

# The Codex CLI, the MCP inspector and the Node they need; without npm their tests are skipped and say so.
tools:
	@if command -v npm >/dev/null; then \
	  test node_modules/.ready -nt package.json || \
	  { npm install --silent --no-audit --no-fund --no-package-lock && touch node_modules/.ready; }; \
	else echo "npm is not installed: the tests with the real Codex CLI and the inspector will be skipped"; fi

# Programs of a real Slurm cluster and a real ssh server, which tests start for themselves. Installed only where that starts
# no services on somebody's machine: by root on a Debian without systemd, as CI's containers are.
system:
	@missing=; for program in slurmctld slurmd sbatch munged sshd rsync; do \
	  PATH="$$PATH:/usr/sbin" command -v $$program >/dev/null || missing="$$missing $$program"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && [ ! -d /run/systemd/system ] && command -v apt-get >/dev/null; then \
	  export DEBIAN_FRONTEND=noninteractive; quick="-qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20"; \
	  timeout 120 apt-get $$quick update >/dev/null 2>&1; \
	  timeout 600 apt-get $$quick -o DPkg::Lock::Timeout=60 install --yes --no-install-recommends \
	    slurm-wlm munge openssh-server rsync >/dev/null 2>&1 </dev/null && exit 0; \
	fi; \
	echo "not installed:$$missing (apt-get install slurm-wlm munge openssh-server rsync): their tests will be skipped"
