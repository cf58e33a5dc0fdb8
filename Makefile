# Two commands matter: `make demo` and `make test`. Both set up .venv by themselves.
#
#   make demo                 go the whole way on embedded images: curate, train, evaluate
#   make test                 run the tests
#   make test-iqa             install pyiqa in .venv-iqa (7 GB) and test its metrics
#   make check                ruff, mypy --strict, the documentation
#   make TORCH=torch demo     choose the torch to install, e.g. the newest CUDA build

PYTHON ?= python3
TORCH ?= torch==2.13.0
TORCH_IQA ?= torch==2.14.1 torchvision==0.29.1
DEMO ?= demo
VENV := .venv
BIN := $(VENV)/bin
VENV_IQA := .venv-iqa

.PHONY: demo test test-iqa check docs serve-docs bench clean help

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -7

demo: $(VENV)/.core
	$(BIN)/fusionlab demo $(DEMO)

test: $(VENV)/.dev
	$(BIN)/pytest -n auto --dist loadfile

test-iqa: $(VENV_IQA)/.iqa
	OMP_WAIT_POLICY=PASSIVE $(VENV_IQA)/bin/python -m pytest -W default tests/iqa

check: $(VENV)/.dev $(VENV)/.docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mkdocs build --strict --quiet

docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict

serve-docs: $(VENV)/.docs
	$(BIN)/mkdocs serve --dev-addr 127.0.0.1:8000

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/metrics.py
	$(BIN)/python benchmarks/selection.py

# torch goes first: asked for by another package, pip would fetch the largest build there is.
$(VENV)/.core: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "FusionLab needs Python 3.11 or newer; set PYTHON=python3.x")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

$(VENV)/.docs: $(VENV)/.core
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@touch $@

# pyiqa needs torchvision, and that its own build of torch: hence an environment apart.
$(VENV_IQA)/.iqa: pyproject.toml
	test -x $(VENV_IQA)/bin/python || $(PYTHON) -m venv $(VENV_IQA)
	$(VENV_IQA)/bin/python -m pip install --quiet $(TORCH_IQA)
	$(VENV_IQA)/bin/python -m pip install --quiet --editable '.[dev,iqa]'
	@touch $@

clean:
	rm -rf $(VENV) $(VENV_IQA) site demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
