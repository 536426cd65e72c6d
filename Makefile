PYTHON ?= python3.11
BIN := .venv/bin
# Tools that mlflow starts (python, mlflow) must be the environment's own.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# uv and conda environments of `mlflow run` aside, nothing asks or phones home.
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true

.PHONY: help env train pretrained ui webhook secrets platform containers try-containers user backup restore empty migrate
.PHONY: test test-quick try-readme lint advisories format clean docs tutorials screenshots

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

env: .venv/.made  ## the environment of requirements.lock in .venv

.venv/.made: requirements.lock requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -r requirements.lock -r requirements-dev.lock
	$(BIN)/python -m pip install --no-deps --no-build-isolation -e .
	touch $@

# `mlflow run` opens the store before any code of ours: it finds one that is whole.
STORE := $(BIN)/python -m heart_reader.tracking.fresh

train: env  ## three backbones on demo data, tracked and registered; MORE="-P trials=0" adds words
	@$(STORE)
	mlflow run . -e train --env-manager local --experiment-name heart-reader $(MORE)

pretrained: env  ## the pretrained models and their ensemble as champions, without data
	@$(STORE)
	mlflow run . -e pretrained --env-manager local --experiment-name heart-reader

# MLflow refuses webhooks to http and to this machine unless told, and keeps their secret encrypted.
ui: export MLFLOW_WEBHOOK_ALLOWED_SCHEMES := http,https
ui: export MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS := true
PORT ?= 5000
ui: env webhook.key  ## the MLflow UI on http://127.0.0.1:5000, or PORT=5001
	MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY=$$(cat webhook.key) $(BIN)/python -m heart_reader.tracking.ui --port $(PORT)

webhook.key: | env
	umask 077 && $(BIN)/python -c \
	  "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())" > $@

webhook: env  ## registers the webhook with the server and keeps the registry in sync
	MLFLOW_TRACKING_URI=$${MLFLOW_TRACKING_URI:-http://127.0.0.1:5000} \
	$(BIN)/python -m registry.sync.webhook

# ---------------------------------------------------------------- the platform for a team

STATE ?= .platform

secrets: env  ## random secrets for the platform, once
	$(BIN)/python -m deploy.make_secrets --state $(STATE)

platform: env  ## PostgreSQL, S3, MLflow server and sync for a team, without containers
	$(BIN)/python -m deploy.up --state $(STATE)

try-containers: env  ## builds, fills, kills, empties and restores a platform in containers: 15 minutes
	$(BIN)/python -m pytest -m containers -s tests/deploy/containers/test_containers.py

containers: env  ## the same in containers: builds the images, starts everything
	$(BIN)/python -m deploy.containers --state $(STATE)

NAME ?=
ROLE ?= member
user: env  ## a user of the platform: NAME=ada ROLE=promoter, member, reader or none
	$(BIN)/python -m deploy.users --state $(STATE) --name "$(NAME)" --role $(ROLE)

# Which way the platform runs is found out; WAY=containers or WAY=processes says it.
WAY ?= auto
TOOL = $(BIN)/python -m deploy.tool --state $(STATE) --way $(WAY) --name

backup: env  ## databases and objects of the platform, running or not: KEEP=7 newest stay, or TO=FOLDER
	TO="$(TO)" $(TOOL) backup

restore: env  ## the newest backup, or FROM=FOLDER, into an empty platform
	FROM="$(FROM)" $(TOOL) restore

empty: env  ## an empty platform: removes runs, models and studies, keeps secrets and backups; SURE=yes
	SURE="$(SURE)" $(TOOL) empty

migrate: env  ## a local store into a server's empty one: SOURCE= TARGET= DATABASE=, see the README
	$(BIN)/python -m registry.migrate.move --source $${SOURCE:-sqlite:///mlflow.db} \
	  --target $${TARGET:?the server, http://...} --database $${DATABASE:?the address of its database}

# Threads that spin would take the cores from each other's tests.
test test-quick: export OMP_NUM_THREADS := 1
test test-quick: export OMP_WAIT_POLICY := passive
SPREAD := -n auto --maxprocesses 4 --dist loadgroup --no-loadscope-reorder

test: env  ## all tests
	$(BIN)/python -m pytest $(SPREAD)

test-quick: env  ## those that start no process and train nothing
	$(BIN)/python -m pytest $(SPREAD) -m "not slow and not readme"

try-readme: env  ## the README's commands in a fresh clone and a bare shell: half an hour
	$(BIN)/python -m pytest -m readme -s tests/house/test_readme.py

lint: env  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

build/audit/.made:
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet pip-audit==2.10.1
	touch $@

advisories: build/audit/.made  ## known holes of the locked packages, by pip-audit; needs pypi.org itself, no mirror
	build/audit/bin/pip-audit -r requirements.lock --no-deps --disable-pip --strict --progress-spinner off

format: env  ## mend what lint says of the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Its packages lie beside the environment's, which stays as it is.
.venv-docs/.made: .venv/.made requirements-docs.lock
	$(BIN)/python -m venv .venv-docs
	.venv-docs/bin/python -m pip install --no-deps -r requirements-docs.lock
	$(BIN)/python -c "import site; print(site.getsitepackages()[0])" > $$(ls -d .venv-docs/lib/python3*/site-packages)/shared.pth
	touch $@

docs: .venv-docs/.made  ## docs/ as a site in build/site, complete without a network
	NO_MKDOCS_2_WARNING=1 PYTHONPATH=. .venv-docs/bin/python -m mkdocs build --strict

tutorials: .venv-docs/.made  ## runs the tutorials of docs/ and writes them anew
	.venv-docs/bin/python docs/execute.py

TOUR ?= /tmp/heart-reader-tour
screenshots: env  ## docs/images anew, after the README's way was gone in TOUR=FOLDER: half an hour
	$(BIN)/python docs/tour.py --folder $(TOUR) --again
	$(BIN)/python docs/screenshots.py --tour $(TOUR)

conda.yaml: requirements.lock
	@printf '%s\n' '# Made from requirements.lock by `make conda.yaml`.' 'name: heart-reader' \
	  'channels: [conda-forge]' 'dependencies:' '  - python=3.11' '  - pip' '  - pip:' > $@
	@grep -v '^#' requirements.lock | sed 's/^/      - /' >> $@

clean:  ## the environment and tool caches; runs and registered models stay
	rm -rf .venv .venv-docs .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
