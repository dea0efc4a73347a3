# Linux x86_64 with Python >= 3.10 and g++ is all that `make drive` and `make test` need: everything else comes as wheels.
# Elsewhere (aarch64, macOS) the same targets work without the ROS 2 nodes.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DONE   := $(VENV)/done
UV     := 0.13.9

MSGS   := ros2_ws/src/whyway_msgs
NODES  := ros2_ws/src/whyway_nodes
# with uv an installation takes seconds; where it cannot reach its index, pip does the same in minutes
INSTALL := ./requirements/install $(BIN)

.DEFAULT_GOAL := help
.PHONY: help setup drive test lint gates oracles compare soak model bench lock clean

help:  ## say what there is
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(DONE)/project $(DONE)/messages $(DONE)/nodes  ## prepare .venv

drive: setup  ## drive through the town, or through SCENE=path/to/scene.xml
	$(BIN)/whyway drive $(if $(SCENE),--world $(SCENE)) $(ARGS)

test: setup $(DONE)/dev $(DONE)/torch  ## run every test
	$(BIN)/python -m pytest $(ARGS)

lint: setup $(DONE)/dev  ## style, types, who imports whom, and messages up to date
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/whyway messages --check

gates: setup  ## replay three short bags and hold them to tests/gates/gates.yaml
	$(BIN)/python tools/gates.py $(ARGS)

oracles: .venv-oracles/done  ## compare with independent implementations, in an environment of their own
	PYTHONPATH=src .venv-oracles/bin/python -m pytest -c /dev/null --rootdir=. --confcutdir=tests/oracles \
		-p no:cacheprovider -ra tests/oracles $(ARGS)

compare: .venv-compare/done  ## other simulators beside ours, in an environment of their own (1.2 GB)
	PYTHONPATH=src .venv-compare/bin/python tools/compare_simulators.py $(ARGS)

soak: setup  ## ten minutes of traffic alone in many worlds: does anybody touch anybody
	$(BIN)/python tools/soak_traffic.py $(ARGS)

model: setup $(DONE)/dev $(DONE)/torch  ## make models/microgpt-s from nothing: data, training, export; within an hour on two cores
	$(BIN)/python -m training.recipes.microgpt_s $(ARGS)

bench: setup $(DONE)/dev $(DONE)/torch  ## measure decisions, decoding and simulation
	$(BIN)/whyway bench decide
	$(BIN)/whyway bench decide --driver rules
	$(BIN)/whyway bench reason
	$(BIN)/whyway bench sim

lock: setup  ## resolve requirements/*.txt anew from pyproject.toml
	./requirements/lock $(BIN)/uv

clean:  ## remove what was built, the environments included
	rm -rf .venv .venv-oracles .venv-compare build out ros2_ws/build ros2_ws/install ros2_ws/log

# ------------------------------------------------------------------------------------------------------------ steps
# A stamp a step, inside the environment, so that deleting it deletes them.

$(DONE)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "needs: Python >= 3.10; make setup PYTHON=python3.12"; exit 1; }
	./requirements/venv $(PYTHON) $(VENV) $(UV)
	@mkdir -p $(DONE) && touch $@

$(DONE)/packages: requirements/setup.txt $(DONE)/venv
	$(INSTALL) -r requirements/setup.txt
	@touch $@

$(DONE)/project: pyproject.toml $(DONE)/packages
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(DONE)/messages: $(wildcard $(MSGS)/msg/*.msg $(MSGS)/srv/*.srv $(MSGS)/wheel/*.py $(MSGS)/wheel/*/msg/*.msg) $(MSGS)/pyproject.toml $(DONE)/packages
	./requirements/messages $(BIN) $(MSGS) build/wheels
	@touch $@

$(DONE)/nodes: $(wildcard $(NODES)/setup.py $(NODES)/setup.cfg $(NODES)/package.xml) $(DONE)/messages $(DONE)/project
	@if $(BIN)/python -c 'import rclpy' 2>/dev/null && [ -f $(NODES)/setup.py ]; then set -x; \
		$(INSTALL) --no-deps --no-build-isolation -e $(NODES); fi
	@touch $@

$(DONE)/dev: requirements/dev.txt $(DONE)/packages
	$(INSTALL) -r requirements/dev.txt
	@touch $@

.venv-compare/done: tools/requirements.txt $(DONE)/venv
	$(BIN)/python -m venv --clear --without-pip .venv-compare
	$(INSTALL) --python .venv-compare/bin/python -r requirements/setup.txt
	$(INSTALL) --python .venv-compare/bin/python -r tools/requirements.txt
	@touch $@

$(DONE)/torch: requirements/torch requirements/train.txt $(DONE)/dev
	./requirements/torch $(BIN)
	@touch $@

.venv-oracles/done: tests/oracles/requirements.txt $(DONE)/venv
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 13))' || \
		{ echo "needs: Python 3.10 to 3.12, the oracles have no wheels for later ones; make clean oracles PYTHON=python3.12"; exit 1; }
	$(BIN)/python -m venv --clear --without-pip .venv-oracles
	$(INSTALL) --python .venv-oracles/bin/python --no-deps -r tests/oracles/requirements.txt
	@touch $@
