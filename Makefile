# What is asked of every change; `.ci/run` calls the same targets.
export PYTHONASYNCIODEBUG = 1

all: style types test emulated browser

style:
	uv run ruff check .
	uv run ruff format --check .

types:
	uv run mypy

test:
	uv run pytest --ignore=tests/emulated --ignore=tests/browser $(ARGS)

emulated:
	uv run pytest tests/emulated $(ARGS)

browser:
	uv run pytest tests/browser $(ARGS)

clients:
	cd tests/browser/clients && npm ci --no-audit --no-fund && npm run build

pins:
	uv run scripts/pin.py
	uv run scripts/licences.py

.PHONY: all style types test emulated browser clients pins
