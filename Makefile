# `make` explains itself. Every target sets up what it needs; a second run finds it there.
.DEFAULT_GOAL := help
.PHONY: help system setup check format golden pin-k3s test unit e2e test-k3s conformance build serve demo bench fuzz clean
.ONESHELL:
.SHELLFLAGS := -euc

BUN := ./scripts/bun
PACKAGES := node_modules/.installed

help: ## this list
	@echo "fks-node: a Kubernetes API whose Pods are Fly Machines"
	@echo
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1\t/' | expand -t 20
	@echo
	@echo "  ARGS=\"…\" goes to the command of serve, demo, test, unit, e2e, test-k3s, conformance, bench and pin-k3s."

$(PACKAGES): package.json bun.lockb bunfig.toml
	@$(BUN) install --frozen-lockfile --silent
	@touch $@

system: $(PACKAGES)
	@$(BUN) scripts/setup.ts system

setup: system ## packages, system programs and the upstream control plane's executable
	@$(BUN) scripts/setup.ts kube

check: $(PACKAGES) ## format, lint, types, unused code, architecture, generated files, lock file
	@$(BUN) scripts/check.ts

format: $(PACKAGES) ## put every file into its format
	@$(BUN) x biome check --write .

golden: $(PACKAGES) ## rewrite golden files and generated documents
	@$(BUN) scripts/golden.ts

pin-k3s: $(PACKAGES) ## record the digests of the pinned K3s release, or of ARGS="--version …"
	@$(BUN) scripts/pin-k3s.ts $(ARGS)

test: setup build ## every test: unit, contract, real control plane, real containers
	@$(BUN) scripts/test.ts $(ARGS)

unit: $(PACKAGES) ## only the tests that need no system programs
	@$(BUN) scripts/test.ts unit $(ARGS)

e2e: setup build ## only the end-to-end tests
	@$(BUN) scripts/test.ts e2e $(ARGS)

test-k3s: setup build ## the end-to-end tests against a real K3s, and docs/k3s.md from what came of it
	@$(BUN) scripts/test-k3s.ts $(ARGS)

conformance: setup build ## Kubernetes' own suite, narrowed by FOCUS="…"; a second run goes on
	@$(BUN) scripts/conformance.ts $(ARGS)

build: $(PACKAGES) ## dist/fks-node, one executable
	@$(BUN) scripts/build.ts

serve: system build ## a cluster on this host, until Ctrl-C
	@./dist/fks-node serve $(ARGS)

demo: system build ## load a small image into the running cluster and apply examples/
	@$(BUN) scripts/demo.ts $(ARGS)

bench: setup build ## the measurements of docs/benchmarks.md
	@$(BUN) bench/run.ts $(ARGS)

fuzz: setup ## a million odd DNS messages; ARGS="COUNT SEED"
	@$(BUN) scripts/fuzz-dns.ts $(ARGS)

clean: ## remove what was built here; caches outside stay
	@rm -rf dist .cache node_modules .tools
