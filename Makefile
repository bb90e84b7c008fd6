# Every target first brings the environment up to date (make setup), which takes a second when it is.

RUN := .venv/bin/python -m
FAST_TESTS = $(wildcard tests/unit tests/architecture)
# The contract suites run a fake beside the real server that it stands for.
SLOW_TESTS = $(wildcard tests/contract tests/integration tests/acceptance)

.PHONY: help setup demo test-servers check test bench clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

setup: ## Debian and Python packages, and the pjsua2 that holds 999 calls, into .venv
	@scripts/setup

demo: setup ## 400 invented leads against a PBX on this machine, watched live for a minute
	$(RUN) acd demo

test-servers: setup ## SIPp, Kamailio, PostgreSQL, Prometheus, and Asterisk in a cached folder
	@scripts/test-servers

check: setup ## format, lint, types, unit and architecture tests
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) pytest $(FAST_TESTS)

test: check test-servers ## make check, then the tests against real servers
	$(if $(SLOW_TESTS),scripts/real-tests $(SLOW_TESTS))

bench: test-servers ## measure beside what acd is to be compared with, half an hour or more; BENCH="--quick" for some minutes
	$(RUN) bench $(BENCH)

clean: ## remove .venv and caches in this folder (the wheel and Asterisk stay in ~/.cache/acd)
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
