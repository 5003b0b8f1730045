# Everything one does with a checkout; `make` alone lists it.
#
# A target that says "each module" visits the root and the nested modules of go.work.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c

EACH := scripts/each-module

# golangci-lint is built from source once per version, for this checkout alone.
LINT_VERSION := v2.15.0
LINT := $(CURDIR)/.bin/golangci-lint-$(LINT_VERSION)

# The race detector needs a C compiler. Without one, tests run without it, but not in CI.
NO_RACE = no C compiler, so no race detector (CGO_ENABLED=0)
RACE = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race,$(if $(filter true,$(CI)),$(error $(NO_RACE)),$(warning $(NO_RACE))))

COUNT ?= 3
BENCH ?= .
PLAN ?= full
FUZZTIME ?= 30s

# Suites that measure time do not share the machine.
.NOTPARALLEL:

.PHONY: help
help: ## list the targets (this text)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: test
test: redis simulate explore standalone ## all tests of each module, race detector on: the command to run before a commit
	$(EACH) --nested go test $(RACE) ./...

.PHONY: race
race: redis ## the same tests COUNT times (3), uncached and in random order
	$(EACH) go test -race -count=$(COUNT) -shuffle=on ./...

.PHONY: prove
prove: redis browser ## the figures this project claims, measured in full, one package at a time
	REDLOCK_PROVE=1 $(EACH) go test -count=1 -v -timeout 60m -p 1 -run '^TestProve' ./...

.PHONY: simulate
simulate: ## the simulation, on seeds 1 to 100 of each kind; FIRST and LAST choose others
	scripts/simulate

# Under the race detector it would take minutes and tests skip it: one goroutine does all of it.
.PHONY: explore
explore:
	go test ./quorum/tokenmodel

.PHONY: model
model: ## every state of larger models of the token protocol; about six minutes and 1 GB of memory
	REDLOCK_PROVE=1 go test -count=1 -v -timeout 60m ./quorum/tokenmodel

.PHONY: mutants
mutants: redis ## broken variants of the lock, each of which some test must notice
	go run ./chaos/mutants

.PHONY: bench
bench: redis ## this lock beside others: figures and plots in benchmarks/results; PLAN=quick for a look
	cd benchmarks/peers && go run ./bench -plan $(PLAN) -out ../results

.PHONY: microbench
microbench: redis ## Go benchmarks of each module; BENCH=regexp picks some
	$(EACH) go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

.PHONY: fuzz
fuzz: redis ## every fuzz target of each module for FUZZTIME (30s)
	FUZZTIME=$(FUZZTIME) $(EACH) $(CURDIR)/scripts/fuzz

.PHONY: cover
cover: redis ## which share of the root module its tests reach; details in cover.out
	go test -coverpkg=./... -coverprofile=cover.out ./...
	go tool cover -func=cover.out | tail -n 1

.PHONY: lint
lint: $(LINT) ## gofmt, vet, golangci-lint and tidiness of each module
	@unformatted=$$(gofmt -l .); \
		if [[ -n "$$unformatted" ]]; then echo "not formatted, run gofmt -w on:" $$unformatted >&2; exit 1; fi
	$(EACH) go vet ./...
	$(EACH) $(LINT) run
	$(EACH) go mod tidy -diff

.PHONY: fmt
fmt: $(LINT) ## format the code of each module as lint wants it
	$(EACH) $(LINT) fmt

.PHONY: tidy
tidy: ## go mod tidy in each module
	$(EACH) go mod tidy

.PHONY: golden
golden: ## write anew which modules the lock depends on (testdata/redlock-deps.golden)
	go test -run '^TestLockDependencies$$' . -update

# The root as its users get it: alone, without the versions that the workspace agrees on.
.PHONY: standalone
standalone: export GOWORK := off
standalone: redis
	go build ./...
	go vet ./...
	go mod tidy -diff
	go test $(RACE) ./...

.PHONY: redis
redis:
	@scripts/ensure-redis

.PHONY: browser
browser:
	@scripts/ensure-browser

$(LINT):
	@echo "building golangci-lint $(LINT_VERSION), once, in about three minutes"
	GOBIN=$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	mv $(@D)/golangci-lint $@
