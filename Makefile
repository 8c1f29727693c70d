# What can be done here. "make" alone lists it.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
TOOLS   := $(CURDIR)/.cache/bin

GOLANGCI_LINT := $(TOOLS)/golangci-lint-v2.15.0
GOVULNCHECK   := $(TOOLS)/govulncheck-v1.9.0
# The newest nfpm whose own dependencies the module proxy gives out.
NFPM          := $(TOOLS)/nfpm-v2.45.2
MD2MAN        := $(TOOLS)/go-md2man-v2.0.7

# All modules of the workspace, and every package in them.
MODULES  := $(shell sed -n 's,^[[:space:]]*\(\./[^ ]*\).*,\1,p' go.work)
PACKAGES := $(addsuffix /...,$(MODULES))
MAINS    := $(dir $(wildcard ./cmd/*/main.go ./services/*/cmd/*/main.go ./plugins/cmd/*/main.go ./demo/cmd/*/main.go))

# The race detector needs a C compiler. Without one the tests run without it, and say so.
RACE := $(if $(filter 1,$(shell $(GO) env CGO_ENABLED)),-race)

# TESTFLAGS="-run TestName -v" runs one test.
TESTFLAGS ?=
# How long each fuzz target is tried: a time, or a number of inputs such as 20000x.
FUZZTIME ?= 10s
COMPOSE  ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

.PHONY: help
help: ## list what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## three nodes, a host that goes down and an inbox, on this machine; needs Go alone
	@$(GO) build -o bin/dmonitor ./cmd/dmonitor && exec bin/dmonitor demo

.PHONY: up
up: ## the same as containers, with an inbox on http://localhost:8025
	$(COMPOSE) up --build

.PHONY: down
down: ## stop the containers and drop what they kept
	$(COMPOSE) down -v --remove-orphans

.PHONY: build
build: ## all programs into bin/, static
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags "-X github.com/dmonitor/dmonitor/pkg/proc.version=$(VERSION)" -o bin/ $(MAINS)

.PHONY: test
test: ## all tests but those with containers
	@.ci/need /usr/lib/nagios/plugins/check_tcp=monitoring-plugins-basic python3=python3
	@$(if $(RACE),,echo "no C compiler: testing without the race detector (with one: apt-get install gcc)")
	@# -count=1: Go takes a passed test for still valid if files outside its own module have changed.
	$(GO) test $(RACE) -count=1 -shuffle=on -timeout 15m $(TESTFLAGS) $(PACKAGES)

.PHONY: test-compose
test-compose: ## the containers, for real: outage, mail, and again with one node killed
	$(GO) test -tags compose -count=1 -v -timeout 25m $(TESTFLAGS) ./tests/compose

.PHONY: test-mta
test-mta: ## mail through a real mail server (Exim, downloaded, not installed)
	$(GO) test -tags mta -count=1 -v -timeout 9m $(TESTFLAGS) ./tests/mta

.PHONY: test-plugins
test-plugins: ## the shipped plugins against real servers (downloaded, not installed); needs root
	@.ci/need unshare=util-linux setpriv=util-linux
	$(GO) test -tags plugins -count=1 -v -timeout 14m $(TESTFLAGS) ./tests/plugins

.PHONY: test-netns
test-netns: ## three nodes on a network that loses, delays and cuts; needs root (6 minutes)
	@.ci/need ip=iproute2 nft=nftables nsenter=util-linux
	$(GO) test -tags netns -count=1 -v -parallel 10 -timeout 14m $(TESTFLAGS) ./tests/netns

.PHONY: test-upgrade
test-upgrade: ## today's dmonitor and a newer one together, one node upgraded at a time; needs git (3 minutes)
	@.ci/need git=git
	$(GO) test -tags upgrade -count=1 -v -timeout 9m $(TESTFLAGS) ./tests/upgrade

# What to build packages for.
ARCHS ?= amd64 arm64

.PHONY: deb
deb: $(NFPM) $(MD2MAN) ## dist/dmonitor_VERSION_ARCH.deb for each of ARCHS (amd64 arm64); the same commit makes the same bytes
	@mkdir -p .cache && NFPM=$(NFPM) MD2MAN=$(MD2MAN) packaging/build deb $(ARCHS)

.PHONY: tarball
tarball: $(MD2MAN) ## the same as tarballs for any Linux
	@mkdir -p .cache && MD2MAN=$(MD2MAN) packaging/build tarball $(ARCHS)

.PHONY: man
man: $(MD2MAN) ## the manual pages, in dist/man
	@MD2MAN=$(MD2MAN) packaging/build man

.PHONY: test-deb
test-deb: $(NFPM) $(MD2MAN) ## the package on a real Debian, and under its systemd; needs root (5 minutes)
	@.ci/need debootstrap=debootstrap lintian=lintian systemd-nspawn=systemd-container file=file
	NFPM=$(NFPM) MD2MAN=$(MD2MAN) $(GO) test -tags deb -count=1 -v -timeout 14m $(TESTFLAGS) ./tests/deb

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (10s); TARGETS="FuzzJudge FuzzWrite" tries those
	@.ci/fuzz $(FUZZTIME) $(TARGETS)

# How much "make bench" measures: rounds of the runner, tens of seconds of the pipeline, outages told.
ROUNDS  ?= 10
TENS    ?= 6
OUTAGES ?= 100

# "make sim" plays SEEDS stories from FIRST on; with SEED it plays that one and prints it.
SEEDS ?= 3000
FIRST ?= 1
SEED  ?= 0

.PHONY: sim
sim: ## thousands of stories of faults, simulated; SEED=7 prints one
	$(GO) test -count=1 -timeout 60m ./tests/sim -seeds $(SEEDS) -first $(FIRST) -seed $(SEED)

.PHONY: chaos
chaos: ROUNDS = 30
chaos: ## ROUNDS (30) outages in which real nodes are killed, frozen or stopped; SEED=7 draws the same ones again
	$(GO) test ./tests/cluster -run 'TestKillRounds$$' -count=1 -v -timeout 24h -rounds $(ROUNDS) -seed $(SEED)

.PHONY: bench
bench: ## measure: running a plugin, the whole pipeline, from a FAIL to the mail (15 minutes)
	@.ci/need cc=gcc
	$(GO) test -v -run '^$$' -bench . -benchtime $(ROUNDS)x -timeout 30m ./tests/bench/runner
	$(GO) test -v -run '^$$' -bench . -benchtime $(TENS)x -timeout 30m ./tests/bench/pipeline
	$(GO) test -v -run '^$$' -bench . -benchtime $(OUTAGES)x -timeout 60m ./tests/bench/telling

.PHONY: lint
lint: $(GOLANGCI_LINT) ## the linters of .golangci.yml, formatting included
	$(GOLANGCI_LINT) run $(PACKAGES)

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## put the formatting right
	$(GOLANGCI_LINT) fmt $(MODULES)

.PHONY: vuln
vuln: $(GOVULNCHECK) ## known vulnerabilities in what the programs really call
	@.ci/vuln $(GOVULNCHECK) -C cmd/dmonitor github.com/dmonitor/dmonitor/...

.PHONY: licences
licences: ## do all parts stand under licences we take? Their texts go to dist/THIRD-PARTY-LICENCES.txt
	@mkdir -p dist
	@$(GO) run ./tests/supply licences $(MAINS) --out dist/THIRD-PARTY-LICENCES.txt
	@echo "and what the tests need:"
	@$(GO) run ./tests/supply licences --tests --tags bench,compose,deb,mta,netns,plugins,upgrade $(PACKAGES)

.PHONY: sbom
sbom: build ## what is in each program (SBOM): dist/PROGRAM.cdx.json
	@mkdir -p dist
	@$(GO) run ./tests/supply sbom --out dist --version $(VERSION) $(addprefix bin/,$(notdir $(MAINS:/=)))

.PHONY: reproducible
reproducible: ## do two builds, in different folders and circumstances, give the same bytes? (2 minutes)
	@.ci/reproducible $(VERSION)

.PHONY: alone
alone: ## build and vet every module without the workspace, as others would use it
	@GOWORK=off .ci/each "$(MODULES)" sh -c '$(GO) build ./... && $(GO) vet -tags compose,bench,deb,mta,netns,plugins,upgrade ./...'

.PHONY: tidy-check
tidy-check: ## is every go.mod and go.sum as "go mod tidy" would write it?
	@GOWORK=off .ci/each "$(MODULES)" $(GO) mod tidy -diff

.PHONY: cross
cross: ## does everything, tests too, compile for macOS and for 32-bit ARM?
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 $(GO) vet $(PACKAGES)
	GOOS=linux GOARCH=arm CGO_ENABLED=0 $(GO) build $(MAINS)

.PHONY: clean
clean: ## remove what was built here
	rm -rf bin dist .cache

$(GOLANGCI_LINT):
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv $(TOOLS)/golangci-lint $@

$(NFPM):
	GOBIN=$(TOOLS) $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
	mv $(TOOLS)/nfpm $@

$(MD2MAN):
	GOBIN=$(TOOLS) $(GO) install github.com/cpuguy83/go-md2man/v2@v2.0.7
	mv $(TOOLS)/go-md2man $@

$(GOVULNCHECK):
	GOBIN=$(TOOLS) $(GO) install golang.org/x/vuln/cmd/govulncheck@v1.9.0
	mv $(TOOLS)/govulncheck $@
