# make          the quick checks: what one runs after each change
# make help     every target
# Set on the command line: PYTHON (3.11 or newer), TORCH_INDEX (another pip index for torch, such as
# https://download.pytorch.org/whl/cpu), JOBS (test processes), ARGS (more arguments for streamlit, pytest or the benchmarks).

TORCH_INDEX ?=
JOBS ?= 2
ARGS ?=
VENV := .venv
RUN := $(VENV)/bin/python -m
PYTEST := $(RUN) pytest -q -n $(JOBS) --dist worksteal

.DEFAULT_GOAL := check
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help app test check lint types quick docs index bench sweep image system browser

help:  ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

app: $(VENV)/.app  ## install what is missing, then open the app on localhost
	@command -v dot >/dev/null || echo "Note: graphviz's dot is not installed; the browser will draw the graphs instead."
	$(RUN) streamlit run app.py $(ARGS)

test: system browser lint types  ## install what is missing, browser included, then everything that must hold
	$(PYTEST) $(ARGS)

check: lint types quick  ## lint, types and the quick tests

lint: $(VENV)/.dev  ## ruff's rules and its format
	$(RUN) ruff check .
	$(RUN) ruff format --check .

types: $(VENV)/.dev  ## mypy --strict
	$(RUN) mypy

quick: $(VENV)/.dev  ## the tests that need no browser and not all of torchvision; of each table its first row
	$(PYTEST) --brief -m "not slow and not bench and not e2e and not zoo and not long" $(ARGS)

docs: $(VENV)/.dev  ## write the tables in docs/ and README.md anew
	$(RUN) tests.docs

index: $(VENV)/.dev  ## make the index of architectures anew, for the torchvision, and the timm, that are installed
	$(RUN) modelview.identify.making
	@! $(VENV)/bin/python -c "import timm" 2>/dev/null || $(RUN) modelview.identify.making --timm

bench: $(VENV)/.dev  ## time the app beside its peers
	$(RUN) tests.bench $(ARGS)

sweep: $(VENV)/.dev  ## the slow tests: every torchvision model
	$(PYTEST) -m slow $(ARGS)

image:  ## build the container, start it, and ask for its health
	docker build --build-arg TORCH_INDEX=$(TORCH_INDEX) -t modelview .
	docker run --rm --detach --name modelview-check --publish 127.0.0.1:8599:8501 modelview
	curl --silent --show-error --fail --retry 60 --retry-delay 1 --retry-all-errors http://127.0.0.1:8599/_stcore/health; \
	    status=$$?; docker stop modelview-check >/dev/null; exit $$status


# ---- Setting up: .venv with a stamp for what is installed in it; an interrupted setup has no stamp and is taken up again.

PIP_INSTALL = $(RUN) pip install --disable-pip-version-check $$([ -t 2 ] || echo --quiet)
STOPPED = echo "The installation stopped; the reason is above. The same command takes it up again." >&2

.PHONY: venv
venv:
	@$(find-python) && \
	echo "Making $(VENV) with $$($$python --version) ..." && \
	$$python -m venv --clear $(VENV)

$(VENV)/.app: requirements.txt $(shell [ -x $(VENV)/bin/python ] || echo venv)
	@echo "Installing torch and the rest into $(VENV) (about 5 GB, some minutes; 1 GB with TORCH_INDEX, see Makefile) ..."
	@$(mend-packages)
	@[ -z "$(TORCH_INDEX)" ] || $(PIP_INSTALL) --index-url "$(TORCH_INDEX)" \
	    $$(grep -E '^torch(vision)?==' requirements.txt) || { $(STOPPED); exit 1; }
	@$(PIP_INSTALL) -r requirements.txt || { $(STOPPED); exit 1; }
	@$(VENV)/bin/python -c "import streamlit, torch, torchvision" || { \
	    echo "The packages in $(VENV) do not import; remove it (rm -r $(VENV)) and give the same command again." >&2; exit 1; }
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.app
	@echo "Installing the test tools into $(VENV) ..."
	@$(PIP_INSTALL) -r requirements-dev.txt || { $(STOPPED); exit 1; }
	@touch $@

# Leaves in $python the first Python that will do.
define find-python
for python in $(or $(PYTHON),python3.11 python3 python3.12 python3.13); do \
    $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; \
done; \
[ -n "$$python" ] || { \
    echo "modelview needs Python 3.11 or newer; name it if it is not on PATH: make app PYTHON=/path/to/python3.11" >&2; exit 1; }; \
$$python -c 'import ensurepip, venv' 2>/dev/null || { \
    echo "$$python has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
endef

# What a setup killed half-way leaves: no pip, or packages without the list of their files, which pip takes for whole.
define mend-packages
$(RUN) pip --version >/dev/null 2>&1 || $(RUN) ensurepip >/dev/null; \
for package in $(VENV)/lib/python*/site-packages/*.dist-info; do \
    [ ! -d "$$package" ] || [ -e "$$package/RECORD" ] || rm -r "$$package"; \
done
endef

# Debian's packages, where that is ours to do: as root, and only what is missing.
system:
	@[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0; \
	missing=; \
	command -v dot >/dev/null || missing="$$missing graphviz"; \
	python3 -c 'import ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	python3 -m tests.browser >/dev/null 2>&1 || missing="$$missing chromium"; \
	[ -n "$$missing" ] || exit 0; \
	echo "Installing Debian's$$missing ..."; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing >/dev/null \
	    || echo "Note: that did not work; going on without." >&2

browser: $(VENV)/.dev
	@$(RUN) tests.browser >/dev/null 2>&1 && exit 0; \
	echo "Installing Playwright's Chromium for the tests in a browser ..."; \
	$(RUN) playwright install chromium && $(RUN) tests.browser >/dev/null || { \
	    echo "No browser for the tests: install Chromium, or set MODELVIEW_CHROMIUM to the path of one." >&2; exit 1; }
