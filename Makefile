# Everything a person or CI does here. `make help` lists it.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO ?= go
TOOLS := $(CURDIR)/.tools
BIN := $(TOOLS)/bin

GOFUMPT_VERSION := v0.12.0
GOLANGCI_VERSION := v2.15.0
GOTESTSUM_VERSION := v1.13.0
GOVULNCHECK_VERSION := v1.9.0

GOFUMPT := $(BIN)/gofumpt-$(GOFUMPT_VERSION)
GOLANGCI := $(BIN)/golangci-lint-$(GOLANGCI_VERSION)
GOTESTSUM := $(BIN)/gotestsum-$(GOTESTSUM_VERSION)
GOVULNCHECK := $(BIN)/govulncheck-$(GOVULNCHECK_VERSION)

# What a test run is made of. PKG narrows it: make test PKG=./internal/hold/
PKG ?= ./...
TESTFLAGS ?=
FUZZTIME ?= 20s
DEMO ?= fake

.PHONY: help demo test test-all check build bench soak envoy redis bwrap browser e2e e2e-sdk e2e-mcp e2e-agentdojo agentdojo fmt fmt-check vet lint vuln fuzz sdks deps clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build envoy ## play Sara's story on loopback (DEMO=openrouter uses the real OpenRouter)
	demo/demo.sh $(DEMO)

build: ## leave bin/yellowjack
	$(GO) build -trimpath -o bin/yellowjack ./cmd/yellowjack

# One pass of the whole tree under the race detector: unit, transcripts, and e2e with the real Envoy and the real SDKs.
test: deps envoy redis bwrap browser sdks agentdojo fmt-check vet $(GOTESTSUM) ## all that a change must pass: format, vet, unit and race, one e2e pass
	$(GOTESTSUM) --format pkgname --format-hide-empty-pkg -- -race -timeout 20m $(TESTFLAGS) $(PKG)

test-all: deps envoy redis bwrap browser sdks agentdojo lint vuln build fuzz $(GOTESTSUM) ## everything: test twice in random order, lint, vuln, fuzz, a short bench
	$(GO) run ./bench -short -out $(TOOLS)/bench
	$(GOTESTSUM) --format pkgname --format-hide-empty-pkg -- -shuffle on -count 1 -timeout 20m $(TESTFLAGS) ./...
	$(MAKE) test TESTFLAGS="-shuffle on -count 1"
	$(MAKE) e2e-sdk
	$(MAKE) e2e-mcp
	$(MAKE) e2e-agentdojo

check: fmt-check vet ## what takes seconds: format, vet, the house's own rules
	$(GO) test . $(TESTFLAGS)

e2e: envoy redis browser sdks ## only the end-to-end tests
	$(GO) test -count 1 -timeout 20m $(TESTFLAGS) ./e2e/

e2e-sdk: envoy redis sdks ## the providers' real SDKs and agents' frameworks, whole; ends with the figures (`make test` has the usual form of each stream)
	scripts/e2e-sdk.sh

e2e-mcp: envoy redis bwrap sdks ## the MCP conformance suites and the official SDKs through the broker, whole; ends with the figures
	scripts/e2e-mcp.sh

e2e-agentdojo: build envoy agentdojo ## AgentDojo, all pairs: utility and attack success per suite (some 20 minutes)
	scripts/agentdojo.sh all --out $(TOOLS)/agentdojo.json

bench: build envoy ## measure against plain Envoy and a no-op ext_proc; writes bench/RESULTS.md and bench/results.json
	$(GO) run ./bench $(BENCHFLAGS)

soak: build envoy ## ten minutes of load; says how our memory grew
	$(GO) run ./bench -soak 10m $(BENCHFLAGS)

envoy: ## find an Envoy that is new enough, or unpack the pinned one into .tools
	scripts/envoy.sh

redis: ## find a Redis that is new enough, or unpack the distribution's into .tools
	scripts/redis.sh

bwrap: ## find a bubblewrap that is new enough, or unpack the distribution's into .tools
	@scripts/bwrap.sh >/dev/null || echo "without bwrap local MCP servers do not start, and their tests are left out" >&2

browser: ## find a Chromium that is new enough, or unpack the distribution's into .tools
	@scripts/chromium.sh >/dev/null || echo "without chromium the page on which people connect is not looked at in a browser" >&2

sdks: ## the providers' real SDKs, agents' frameworks and real MCP servers, pinned, into .tools
	scripts/sdks.sh

agentdojo: ## AgentDojo, pinned, into .tools
	@scripts/agentdojo.sh >/dev/null

deps: ## what the tests need of the system: python3 with venv, node, npm
	scripts/deps.sh

fmt: $(GOFUMPT) ## format the Go code
	$(GOFUMPT) -w .

fmt-check: $(GOFUMPT)
	@out=$$($(GOFUMPT) -l .); if [ -n "$$out" ]; then echo "not formatted (make fmt):"; echo "$$out"; exit 1; fi

vet:
	$(GO) vet ./...

lint: $(GOLANGCI) ## golangci-lint (compiling it the first time takes minutes)
	$(GOLANGCI) run ./...

vuln: $(GOVULNCHECK) ## known vulnerabilities; says so when its database is out of reach
	scripts/vuln.sh $(GOVULNCHECK)

fuzz: ## every fuzz target for FUZZTIME
	scripts/fuzz.sh $(FUZZTIME)

clean: ## remove what was built; keeps .tools
	rm -rf bin run

# The tools: installed once per pinned version, so that changing the pin above is all there is to it.
$(GOFUMPT):
	scripts/tool.sh mvdan.cc/gofumpt@$(GOFUMPT_VERSION) $@
$(GOLANGCI):
	scripts/tool.sh github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION) $@
$(GOTESTSUM):
	scripts/tool.sh gotest.tools/gotestsum@$(GOTESTSUM_VERSION) $@
$(GOVULNCHECK):
	scripts/tool.sh golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) $@
