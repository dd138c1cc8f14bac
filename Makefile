# Everything that can be done here.  `make demo` and `make test` need nothing but Python 3.11 and make.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-unit test-gateway check check-style check-types check-rooms check-docs lab bench fuzz lock docs pictures clean

PYTHON_BIN := .venv/bin/python
LOCKS := pyproject.toml requirements/build.txt scripts/setup.sh

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

setup: .venv/.dev ## make .venv with everything that development needs

demo: .venv/.runtime ## a healthy dial and three faults, inside this machine only
	@.venv/bin/l2tp-doctor demo

# The two runs are told apart because the second needs few workers: each one owns a gateway.
test: .venv/.dev .venv/.lab ## all tests; the ones with real gateways need root
	@status=0; \
	$(MAKE) --no-print-directory test-unit || status=1; \
	$(MAKE) --no-print-directory test-gateway || status=1; \
	exit $$status

test-unit: .venv/.dev ## the tests that need neither root nor a network
	@$(PYTHON_BIN) -m pytest -q -n auto --ignore=tests/integration tests

test-gateway: .venv/.dev .venv/.lab ## the tests with real gateways in network namespaces
	@$(PYTHON_BIN) -m pytest -q -n 2 --dist loadfile tests/integration

check: check-style check-types check-rooms check-docs ## style, types, the fence between the rooms, generated documents

check-style: .venv/.dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

check-types: .venv/.dev
	.venv/bin/mypy

check-rooms: .venv/.dev
	.venv/bin/lint-imports

check-docs: .venv/.dev
	$(PYTHON_BIN) -m docs.make_all --check
	$(PYTHON_BIN) -m docs.make_site

lab: .venv/.dev .venv/.lab ## every fault of the lab's cases against real gateways: is the true cause named first?
	$(PYTHON_BIN) -m lab run

bench: .venv/.dev .venv/.lab ## measure
	$(PYTHON_BIN) -m bench

fuzz: .venv/.fuzz ## 30 seconds of fuzzing for every decoder
	$(PYTHON_BIN) -m fuzz.run --seconds 30

docs: .venv/.dev ## write the generated documents anew and build the site, build/site/index.html
	$(PYTHON_BIN) -m docs.make_all
	$(PYTHON_BIN) -m docs.make_site

pictures: .venv/.dev ## draw the pictures of the READMEs anew, from real dials
	$(PYTHON_BIN) -m docs.make_pictures

lock: .venv/.dev ## resolve all dependencies anew
	scripts/lock.sh

clean: ## remove what was made here
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.runtime: $(LOCKS) requirements/runtime.txt
	@scripts/setup.sh runtime
	@touch $@

.venv/.dev: $(LOCKS) requirements/dev.txt
	@scripts/setup.sh dev
	@touch $@ .venv/.runtime

.venv/.fuzz: $(LOCKS) requirements/fuzz.txt .venv/.dev
	@scripts/setup.sh fuzz
	@touch $@

# The lab's Debian packages.  What is missing makes tests skip, with the reason; in CI they fail.
.venv/.lab: lab/install.py | .venv/.dev
	@if [ "$$(id -u)" != 0 ]; then \
		echo "not root: the tests with real gateways will be skipped"; \
	elif $(PYTHON_BIN) -m lab install; then \
		touch $@; \
	elif [ "$$CI" = true ]; then \
		exit 1; \
	else \
		echo "the tests with real gateways will be skipped"; \
	fi
