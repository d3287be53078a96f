# Everything one does with a checkout. Needs make and Python 3.11 or newer; `make help` lists it.

# The first Python of these that is new enough; or say: make PYTHON=/path/to/python3
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(firstword $(foreach p,$(CANDIDATES),$(shell $(p) -c '$(NEW_ENOUGH)' 2>/dev/null && echo $(p))))

# Where pip finds torch, for example TORCH_INDEX=https://download.pytorch.org/whl/cpu for the
# build without CUDA, which is several GB smaller.
TORCH_INDEX ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
COPY := build/check
DEMO := demo-workspace
DATA := $(wildcard ../shared/data)
ifneq ($(DATA),)
export RAGSTONE_DATA ?= $(abspath $(DATA))
endif

.DEFAULT_GOAL := help
.PHONY: help demo ui test torture check bench compare install clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP) ## Show it all once: files, versions, search, a cited answer
	@$(BIN)/ragstone demo --path $(DEMO)

ui: $(STAMP) ## Show the demonstration's workspace in the browser
	@test -f $(DEMO)/ragstone.toml || $(BIN)/ragstone demo --path $(DEMO)
	@$(BIN)/ragstone ui --workspace $(DEMO)

test: $(STAMP) ## Run the tests (minutes, offline)
	$(BIN)/python -m pytest -q

torture: $(STAMP) ## Break the storage at every point, kill a server 2,000 times (long)
	RAGSTONE_TORTURE=1 $(BIN)/python -m pytest -q tests/storage/test_failpoints.py \
	tests/storage/test_flipped_bytes.py tests/server/test_kills.py

check: $(STAMP) ## Check style, types and layers, as the CI does
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# Static tools walk one folder, and the package is mapped together from several: lay it out.
	@rm -rf build
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --target $(COPY) .
	MYPYPATH=$(COPY) $(BIN)/mypy -p ragstone
	PYTHONPATH=$(COPY) $(BIN)/lint-imports --no-cache

bench: $(STAMP) ## Run the measurements; results go to benchmarks/RESULTS.md
	@for file in benchmarks/*.py; do \
		case $$file in */_*) continue;; esac; \
		echo "== $$file"; $(BIN)/python $$file || exit 1; \
	done
	@echo "The results are in benchmarks/RESULTS.md"

compare: $(STAMP) ## Compare families of models of images on digits (20 minutes); see comparison/report
	$(BIN)/python benchmarks/models/compare.py

install: $(STAMP) ## Make the virtual environment .venv, with everything pinned

# torch comes first and alone: the constraints then keep its build.
$(STAMP): pyproject.toml constraints.txt
	@$(if $(PYTHON),,echo "Ragstone needs Python 3.11 or newer, and none of $(CANDIDATES) is. \
	Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1)
	@$(PYTHON) -c '$(NEW_ENOUGH)' || { echo "$(PYTHON) is older than Python 3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	echo "Python's venv is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) torch setuptools
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

clean: ## Remove what was built or made here, and the virtual environment
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	.import_linter_cache $(DEMO) comparison $(VENV)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
