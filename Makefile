# hedwig's commands. `make help` lists them.
#
# All of them work on a fresh Debian 12, as root or as a user with sudo: what is missing is installed first. Debian's own
# Python is named by its path, because another one may stand before it in PATH.

PACKAGES := \
	python3 python3-venv python3-pip python3-setuptools python3-wheel \
	python3-aiosmtpd python3-bottle python3-click python3-dnspython python3-idna python3-openssl python3-requests python3-spf \
	python3-systemd python3-uvloop python3-waitress python3-yaml \
	python3-cryptography python3-dkim python3-hypothesis python3-pytest python3-pytest-asyncio python3-pytest-xdist \
	beanstalkd ldnsutils libmail-dkim-perl libpython3.11-testsuite msmtp nginx nsd opendkim opendkim-tools postfix unbound \
	ca-certificates curl git groff-base iproute2 libfaketime mandoc mount openssl procps strace systemd

# What builds and signs packages.
PACKAGING := \
	apt-utils debhelper dh-python dpkg-dev gnupg pybuild-plugin-pyproject python3-setuptools xz-utils \
	git python3 python3-pip python3-wheel util-linux

# What boots them in a Debian of their own.
SYSTEM_TEST := \
	autopkgtest debian-archive-keyring iproute2 mmdebstrap msmtp nsd piuparts sqlite3 systemd-container unbound util-linux

PYTHON := /usr/bin/python3
BIN := .venv/bin
TOOLS := .venv-tools/bin
JOBS := $(shell nproc)
# Journeys wait more than they compute: two of them leave two cores idle for more than half of the time.
WAITING_JOBS := $(shell expr $(JOBS) + 1)
REPO := dist/repo
TESTS := tests/system
ROUNDS := 7
LETTERS := 100000
DELIVERIES := 1000000
FOLDER :=
BAR := 95
LIMITS := 80
MESSAGES := 2400
JSON := build/bench.json
PARTS :=
PEERS :=
HARAKA := build/haraka/node_modules/Haraka/bin/haraka
MILLION := 0
QUEUED := 100000
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)
# What runs by sudo leaves no files of root's in a user's tree (but in build/system, which `make clean` removes).
UNTRACED := env PYTHONDONTWRITEBYTECODE=1
# mypy looks for stubs where the libraries are: in .venv. They are types alone, and shadow nothing.
STUBS := $(shell grep '^types-' requirements-tools.txt)

# The journeys make network namespaces: root may do that, a user in a user namespace of his own.
NAMESPACES := $(if $(filter-out 0,$(shell id -u)),unshare --map-root-user)

# Daemons lie in sbin, which a user's PATH lacks. The user's own Python libraries are none of ours.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin
export PYTHONNOUSERSITE := 1

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help run test crash-test bench bench-quick bench-priority bench-fairness bench-operator check check-venv format deps venv tools debs repo package-test system-test clean

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: venv ## one letter through all the parts, before your eyes; then they stay for more (ONCE=1: end after it)
	@exec $(BIN)/python tests/demo/run.py $(if $(filter-out 0,$(ONCE)),--once)

test: venv ## unit, contract and journey tests
	$(NAMESPACES) $(BIN)/python -m pytest -n $(JOBS) --dist loadfile tests/unit tests/contract
	$(NAMESPACES) $(BIN)/python -m pytest -n $(WAITING_JOBS) --dist loadfile tests/journey

crash-test: venv ## processes die at every named point while mail flows, for long; prints what became of the mail [ROUNDS=7]
	$(NAMESPACES) env HEDWIG_CRASH_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest tests/journey/crash/test_crash_matrix.py

bench-priority: venv ## how long a password reset takes among 100,000 newsletters to the same receiver [LETTERS=100000]
	$(NAMESPACES) env LETTERS=$(LETTERS) $(BIN)/python tests/bench/priority.py

bench-operator: venv ## how long `hedwig queue`, top and trace take with a million deliveries [DELIVERIES=1000000] [FOLDER=to keep it in]
	env DELIVERIES=$(DELIVERIES) FOLDER=$(FOLDER) $(BIN)/python tests/bench/operators.py

bench-fairness: LETTERS := 50000
bench-fairness: ROUNDS := 12
bench-fairness: venv ## what a tarpit costs the mail to others, and whether limits hold [LETTERS=50000 BAR=95 ROUNDS=12 LIMITS=80]
	$(NAMESPACES) env LETTERS=$(LETTERS) BAR=$(BAR) ROUNDS=$(ROUNDS) LIMITS=$(LIMITS) $(BIN)/python tests/bench/fairness.py

bench: MESSAGES := 4000
bench: ROUNDS := 3
bench: LETTERS := 100
bench: venv $(if $(filter haraka,$(PEERS)),$(HARAKA)) ## hedwig against Postfix: rates, CPU, memory, times, as a table and as JSON (as root, or with sudo) [PARTS=rates,growth MILLION=1 PEERS=haraka MESSAGES=4000 ROUNDS=3 LETTERS=100 QUEUED=100000 JSON=build/bench.json]
	$(BIN)/python -m compileall -q hedwig  # as the packages do
	$(SUDO) $(UNTRACED) PARTS=$(PARTS) PEERS=$(PEERS) MILLION=$(MILLION) QUEUED=$(QUEUED) MESSAGES=$(MESSAGES) ROUNDS=$(ROUNDS) LETTERS=$(LETTERS) JSON=$(JSON) \
		$(BIN)/python tests/bench/versus.py

$(HARAKA):
	npm install --prefix build/haraka --omit=dev --no-audit --no-fund Haraka@3.3.4

bench-quick: BAR := 1.3
bench-quick: venv ## whether hedwig is as much faster than Postfix as it should be, in under a minute (as root, or with sudo) [MESSAGES=2400 BAR=1.3]
	$(BIN)/python -m compileall -q hedwig
	$(SUDO) $(UNTRACED) MESSAGES=$(MESSAGES) BAR=$(BAR) $(BIN)/python tests/bench/versus_quick.py

check: venv tools ## ruff, mypy --strict, import-linter, and what the repository promises about itself
	$(TOOLS)/ruff check .
	$(TOOLS)/ruff format --check .
	$(TOOLS)/mypy --strict --python-executable $(BIN)/python
	PYTHONPATH=. $(TOOLS)/lint-imports
	$(BIN)/python -m pytest tests/unit/test_layout.py tests/unit/test_docs.py

check-venv: venv ## whether .venv holds a library that shadows Debian's (part of check)
	$(BIN)/python -m pytest tests/unit/test_layout.py -k venv

format: tools ## write all Python files in ruff's form
	$(TOOLS)/ruff format .

deps: ## install the Debian packages that are missing, as root or by sudo
	@.ci/deps $(PACKAGES)

venv: .venv/made ## .venv: hedwig from this tree and greenstalk, upon Debian's libraries
.venv/made: setup.py requirements-tools.txt | deps
	$(PYTHON) -m venv --clear --system-site-packages .venv
	$(BIN)/python -m pip install --quiet --no-build-isolation -e .
	$(BIN)/python -m pip install --quiet --no-deps $(STUBS)
	@touch $@

tools: .venv-tools/made ## .venv-tools: ruff, mypy and import-linter, in the versions of requirements-tools.txt
.venv-tools/made: requirements-tools.txt | deps
	$(PYTHON) -m venv --clear .venv-tools
	$(TOOLS)/python -m pip install --quiet --no-deps -r requirements-tools.txt
	@touch $@

debs: ## build the Debian packages into dist (needs no root, once what it needs is installed)
	@.ci/deps $(PACKAGING)
	debian/tools/build-debs.sh dist

repo: debs ## put them into a signed apt repository: URL=where hosts find it [REPO=folder] [KEY=key to sign with]
	@debian/tools/make-repo.sh dist "$(REPO)" "$(URL)" "$(KEY)"

package-test: venv ## two builds of the packages give the same bytes, lintian is content, edits of config files survive
	@.ci/deps $(PACKAGING) lintian ucf
	$(BIN)/python -m pytest tests/packages

system-test: venv debs ## the packages in booted Debians, from `apt install` to the letter (as root, or with sudo) [TESTS=files]
	@.ci/deps $(SYSTEM_TEST)
	debian/tools/build-debs.sh build/newer +newer >/dev/null
	$(SUDO) $(UNTRACED) $(PYTHON) tests/system/prepare.py dist build/newer build/system
	$(SUDO) $(UNTRACED) $(BIN)/python -m pytest -p no:cacheprovider -n $(JOBS) --dist loadfile --durations 15 $(TESTS)

clean: ## remove all that was made here
	[ ! -d build/system ] || $(SUDO) rm -rf build/system
	rm -rf .venv .venv-tools run build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
