# Commands of the project; `make` alone lists them. Needs Python 3.11, 3.12 or 3.13, git and make (GNU make 3.81 will do).
#
# Each environment is made on first use and brought up to date when its lock has changed.

PYTHON ?= python3 python3.13 python3.12 python3.11
PYTHON39 ?= python3.9
PYTHON312 ?= python3.12
PYTHON313 ?= python3.13
UV = UV_PYTHON_DOWNLOADS=never .venv-uv/bin/uv
# Where Airflow is installed: test-versions runs the same commands on other versions.
AIRFLOW_ENV ?= .venv
RUN = $(AIRFLOW_ENV)/bin/python -m
COMPILE = $(UV) pip compile --quiet --upgrade --generate-hashes

# Tests that run in Airflow's environment, without those that have a command of their own. tests/sql runs in the local
# AWS's environment.
AIRFLOW_TESTS = tests --ignore=tests/sql --ignore=tests/clients --ignore=tests/browser --ignore=tests/fab \
  --ignore=tests/access --ignore=tests/mwaa --ignore=tests/benchmarks

LOCALAWS = packages/localaws
# Its tests run without the checkout on the path (-P), because the package must not import the project.
LOCALAWS_PYTEST = .venv-localaws/bin/python -P -m pytest -c $(LOCALAWS)/pyproject.toml

# The tests whose code uses Airflow, and one run of the demo.
VERSIONS_TESTS = tests/dags tests/plugins tests/lambdas tests/properties \
  tests/e2e/test_demo.py::test_the_demo_makes_one_run_a_day_and_no_other \
  tests/e2e/test_demo.py::test_every_row_equals_an_independent_computation

# Region and stack on AWS, for make deploy and make destroy.
WHERE = $(if $(REGION),--region '$(REGION)') $(if $(STACK),--stack '$(STACK)')

# Trino is installed only for ENGINE=trino, and not if TRINO_URL names one.
OWN_TRINO = $(if $(TRINO_URL),,$(if $(filter trino,$(ENGINE)),trino))

# Commands must not use the user's Python settings, and a make that they start must not get this one's arguments.
unexport ARGS MAKEFLAGS PYTHONHOME PYTHONPATH

.DEFAULT_GOAL := help
.PHONY: help demo up down status airflow report data deploy destroy deploy-quicksight mwaa mwaa-sync compose-env \
  test test-unit test-localaws test-install coverage test-glue test-lambda test-clients test-bench test-trino \
  test-reruns test-access test-browser test-fab test-mwaa test-versions test-compose mutants trino conformance \
  record-trino-functions chaos bench lint hooks format docs lock clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "Settings, as in make demo FROM=2019-12-21 TO=2019-12-22:"
	@echo "  SOURCE        folder or s3:// prefix of the data (include/data)"
	@echo "  FROM, TO      first and last day of the demo, or of the data to invent"
	@echo "  STACK         name of the stack (smart-hub)"
	@echo "  ENGINE        what runs Athena's queries: duckdb or trino (duckdb); TRINO_URL a Trino of your own"
	@echo "  AIRFLOW_PORT  8080       AWS_PORT  4566       TRINO_PORT  8090       PYTHON  python3"

demo: $(AIRFLOW_ENV)/synced .venv-localaws/synced $(OWN_TRINO) ## start everything, run the sample days, show the results; ARGS=--json for scripts
	@$(RUN) ops.demo $(if $(FROM),--from '$(FROM)') $(if $(TO),--to '$(TO)') $(ARGS)

up: $(AIRFLOW_ENV)/synced .venv-localaws/synced $(OWN_TRINO) ## start the local AWS and Airflow in the background
	@$(RUN) ops.services up

down: $(AIRFLOW_ENV)/synced ## stop what `up` or `demo` started
	@$(RUN) ops.services down

status: $(AIRFLOW_ENV)/synced ## show what runs, and where
	@$(RUN) ops.services status

airflow: $(AIRFLOW_ENV)/synced ## run Airflow's CLI: make airflow ARGS="dags list"
	@$(RUN) ops.services airflow $(ARGS)

report: $(AIRFLOW_ENV)/synced ## a hub's figures and charts as one HTML file: make report HUB=… FROM=… TO=…
	@PYTHONPATH=plugins $(RUN) ops.customer_report --hub '$(HUB)' --from '$(FROM)' --to '$(TO)' $(ARGS)

data: $(AIRFLOW_ENV)/synced ## generate data: make data HUBS=1000 DAYS=2 [CHANNELS=54] [FROM=…] [FILES=…] [GZIP=1] [OUT=folder]; alone, the sample
	@$(RUN) generator $(if $(HUBS),--hubs '$(HUBS)') $(if $(FROM),--from '$(FROM)') $(if $(TO),--to '$(TO)') \
	  $(if $(DAYS),--days '$(DAYS)') $(if $(CHANNELS),--channels '$(CHANNELS)') \
	  $(if $(CHANNEL_NAMES),--channel-names '$(CHANNEL_NAMES)') \
	  $(if $(FILES),--files-per-day '$(FILES)') $(if $(GZIP),--gzip) \
	  $(if $(OUT),--out '$(OUT)') $(ARGS)

deploy: .venv/synced ## deploy to AWS: make deploy REGION=… [STACK=…] [SOURCE=s3://…] [KMS_KEY=…] [DRY_RUN=1]
	@$(RUN) ops.deploy $(WHERE) $(if $(SOURCE),--source '$(SOURCE)') $(if $(KMS_KEY),--kms-key '$(KMS_KEY)') \
	  $(if $(DRY_RUN),--dry-run) $(ARGS)

destroy: .venv/synced ## delete all of it from AWS, data included; asks first: make destroy REGION=… [STACK=…]
	@$(RUN) ops.destroy $(WHERE) $(if $(YES),--yes) $(ARGS)

deploy-quicksight: .venv/synced ## deploy the dashboard to AWS: make deploy-quicksight OWNER=…, or ARGS=--delete
	@$(RUN) ops.quicksight $(if $(OWNER),--parameter OwnerPrincipal='$(OWNER)') $(ARGS)

mwaa: .venv/synced ## write dist/mwaa for an environment of MWAA: make mwaa STACK=… REGION=… SETTINGS=file
	@$(RUN) ops.mwaa build $(if $(STACK),--stack '$(STACK)') $(if $(REGION),--region '$(REGION)') \
	  $(if $(SETTINGS),--settings '$(SETTINGS)') $(ARGS)

mwaa-sync: .venv/synced ## put dist/mwaa into its bucket: make mwaa-sync BUCKET=… ENVIRONMENT=… REGION=…
	@$(RUN) ops.mwaa sync --bucket '$(BUCKET)' $(if $(ENVIRONMENT),--environment '$(ENVIRONMENT)') \
	  $(if $(REGION),--region '$(REGION)') $(ARGS)

compose-env: .venv-uv/synced ## make .env with random keys, which docker compose up needs
	@.venv-uv/bin/python -m ops.keys $(ARGS)

test: .venv/synced .venv-localaws/synced ## run the tests that need only Python
	@.venv/bin/python -m tests.parts $@ $(ARGS)

test-unit: .venv/synced .venv-localaws/synced ## run the unit tests alone
	@log=$$(mktemp); \
	{ .venv-localaws/bin/python -m pytest -q -m unit tests/sql $(ARGS) && \
	  $(LOCALAWS_PYTEST) -q -m unit $(LOCALAWS)/tests $(ARGS); } >"$$log" 2>&1 & \
	.venv/bin/python -m pytest -q -m unit $(AIRFLOW_TESTS) $(ARGS); status=$$?; \
	wait $$! || status=1; cat "$$log"; rm -f "$$log"; exit $$status

test-localaws: .venv-localaws/synced ## run the tests of the package localaws
	$(LOCALAWS_PYTEST) $(LOCALAWS)/tests --ignore=$(LOCALAWS)/tests/clients $(ARGS)

test-install: .venv-uv/synced ## install localaws by pip into an empty environment, start a server and run a query
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && .venv-uv/bin/python -m venv "$$folder" && \
	"$$folder/bin/pip" install --quiet --disable-pip-version-check ./$(LOCALAWS) && \
	"$$folder/bin/localaws" --help | grep '^usage: localaws ' && \
	"$$folder/bin/python" -I $(LOCALAWS)/tests/installed.py

coverage: .venv/synced ## show what the unit tests cover of what is deployed, and fail below the floor
	@.venv/bin/python -m coverage run -m pytest -q -m unit $(AIRFLOW_TESTS)
	@.venv/bin/python -m coverage report

test-glue: .venv-glue/synced ## run the Glue job's tests as on Glue: Python 3.9 and its old pyarrow
	.venv-glue/bin/python -m pytest tests/glue $(ARGS)

test-lambda: .venv-lambda/synced .venv-localaws/synced ## run the functions' tests as on Lambda: its Python and runtime client
	.venv-lambda/bin/python -m pytest tests/lambdas $(ARGS)

test-clients: .venv-clients/synced .venv-localaws/synced .venv/synced ## run AWS CLI, boto3, PyAthena, awswrangler against the local AWS
	.venv-clients/bin/python -m pytest tests/clients $(ARGS)
	PYTHONPATH=$(LOCALAWS)/src LOCALAWS_PYTHON=$(CURDIR)/.venv-localaws/bin/python .venv-clients/bin/python -P -m pytest \
	  -p localaws.testing.plugin -c $(LOCALAWS)/pyproject.toml $(LOCALAWS)/tests/clients $(ARGS)

test-bench: .venv-bench/synced .venv-localaws/synced .venv/synced ## compare the rows of pipeline and baselines, and check the ratios of their costs
	.venv-bench/bin/python -m pytest tests/benchmarks/test_baselines.py $(ARGS)
	.venv/bin/python -m pytest tests/benchmarks --ignore=tests/benchmarks/test_baselines.py $(ARGS)

bench: .venv-bench/synced .venv-localaws/synced .venv/synced trino ## benchmark the pipeline and its baselines: HUBS=100,1000,5000
	@PYTHONPATH=plugins $(RUN) benchmarks $(if $(HUBS),--hubs '$(HUBS)') $(ARGS)

test-trino: .venv/synced .venv-localaws/synced trino ## run the demo with every query on a real Trino
	.venv/bin/python -m pytest -m trino tests/e2e $(ARGS)

test-reruns: .venv/synced .venv-localaws/synced .venv-clients/synced ## run days again and again, and do what docs/runbook.md says
	@.venv/bin/python -m tests.parts $@ $(ARGS)

test-access: .venv/synced .venv-localaws/synced ## take each statement of each policy away in turn: the day must fail for want of it
	.venv/bin/python -m pytest tests/access $(ARGS)

test-browser: .venv/synced .venv-localaws/synced .venv-browser/synced ## look at the page Smart Hub with a real Chromium after a demo
	.venv-browser/bin/python -m pytest tests/browser $(ARGS)

test-fab: .venv-fab/synced ## try the page's access with the FAB auth manager, as MWAA and Astro have it
	.venv-fab/bin/python -m pytest tests/fab $(ARGS)

test-versions: .venv-oldest/synced .venv-newest/synced .venv-localaws/synced ## run DAGs, units and a demo on the oldest and the newest versions of Airflow
	@status=0; for leg in oldest:3.12 newest:3.13; do environment=.venv-$${leg%:*}; \
	  $$environment/bin/python -m tests.versions $${leg#*:} && \
	  AIRFLOW_ENV=$$environment $$environment/bin/python -m pytest $(VERSIONS_TESTS) $(ARGS) || status=1; \
	done; \
	exit $$status

test-mwaa: .venv/synced .venv-localaws/synced .venv-mwaa/synced ## run a day as MWAA would: its packages, folders and variables
	.venv/bin/python -m pytest tests/mwaa $(ARGS)

test-compose: .venv/synced ## run docker-compose.yaml for real, with Docker: ARGS=--trino for Trino, too
	@$(RUN) tests.compose $(ARGS)

mutants: .venv-mutants/synced .venv/synced .venv-localaws/synced ## change rules, job and functions bit by bit: what does no test notice?
	PYTHONPATH=plugins .venv-localaws/bin/python -m tests.sql.mutants
	.venv-mutants/bin/python -m tests.mutants $(ARGS)

trino: .venv/synced .venv-uv/synced ## get Trino, the second query engine
	@$(RUN) ops.trino install >&2

conformance: .venv-localaws/synced trino ## compare the local Athena with a real Trino, write docs/conformance.md
	@PYTHONPATH=plugins:$(LOCALAWS) .venv-localaws/bin/python -m tests.conformance $(ARGS)

record-trino-functions: .venv-localaws/synced trino ## record the functions that a real Trino lists, for the local Athena
	@PYTHONPATH=plugins:$(LOCALAWS) .venv-localaws/bin/python -m tests.conformance --record-functions

chaos: .venv/synced .venv-localaws/synced ## break the pipeline on purpose, fault by fault; see docs/chaos.md
	@PYTHONPATH=plugins:$(LOCALAWS)/src .venv/bin/python -u -m tests.chaos $(ARGS)

lint: .venv/synced .venv-localaws/synced .venv-lint/synced .venv-checkov/synced ## check style, types, SQL, templates, spelling, layers; repair nothing
	@.venv-lint/bin/pre-commit run --all-files --hook-stage manual $(ARGS)

hooks: .venv/synced .venv-localaws/synced .venv-lint/synced ## have git check each commit, by .pre-commit-config.yaml
	.venv-lint/bin/pre-commit install

format: .venv-lint/synced ## repair what can be repaired by itself
	.venv-lint/bin/ruff check --fix .
	.venv-lint/bin/ruff format .
	.venv-lint/bin/sqlfluff fix include/sql ops

docs: .venv/synced ## write DAGS.md and docs/data-dictionary.md from the code
	@PYTHONPATH=plugins $(RUN) ops.documents $(ARGS)

lock: .venv-uv/synced ## pin the newest permitted versions of all packages
	$(COMPILE) --universal --python-version 3.11 --group uv -o requirements/uv.lock
	$(COMPILE) --universal --python-version 3.11 -c requirements/mwaa-3.3.1-python-3.12.txt requirements.txt \
	  --group test -o requirements/airflow.lock
	$(COMPILE) --universal --python-version 3.13 requirements.txt --group tools -o requirements/airflow-newest.lock
	$(COMPILE) --universal --python-version 3.11 $(LOCALAWS)/pyproject.toml \
	  --group $(LOCALAWS)/pyproject.toml:dev -o requirements/localaws.lock
	$(COMPILE) --universal --python-version 3.11 --group lint -o requirements/lint.lock
	$(COMPILE) --universal --python-version 3.11 --group checkov -o requirements/checkov.lock
	$(COMPILE) --universal --python-version 3.11 --group browser -o requirements/browser.lock
	$(COMPILE) --universal --python-version 3.11 -c requirements/mwaa-3.3.1-python-3.12.txt requirements.txt \
	  --group fab -o requirements/fab.lock
	$(COMPILE) --universal --python-version 3.12 -c requirements/mwaa-3.3.1-python-3.12.txt --group mwaa \
	  -o requirements/mwaa.lock
	$(COMPILE) --universal --python-version 3.11 --group java -o requirements/java.lock
	$(COMPILE) --python-version 3.9 --group glue -o requirements/glue.lock
	$(COMPILE) --universal --python-version 3.11 --group lambda -o requirements/lambda.lock
	$(COMPILE) --universal --python-version 3.11 --group clients -o requirements/clients.lock
	$(COMPILE) --universal --python-version 3.11 --group bench -o requirements/bench.lock
	$(COMPILE) --universal --python-version 3.11 --group mutants -o requirements/mutants.lock

clean: down ## stop everything and remove its state
	@state="$${SMART_HUB_LOCAL:-.local}"; rm -rf "$$state/airflow" "$$state/aws" "$$state/trino" "$$state/logs" "$$state/run"

# uv comes by pip, everything else by uv; each lock gives the hashes of what may be installed.
.venv-uv/synced: requirements/uv.lock
	@for python in $(PYTHON); do \
	  if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then \
	    rm -rf .venv-uv && "$$python" -m venv .venv-uv && \
	    .venv-uv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.lock && \
	    touch $@; exit; \
	  fi; \
	done; \
	echo "error: Python 3.11, 3.12 or 3.13 is needed, found none as: $(PYTHON)" >&2; \
	for python in $(PYTHON); do "$$python" --version 2>/dev/null | sed "s|^|  $$python is |" >&2; done; \
	echo "Install one, or name it: make PYTHON=/path/to/python3" >&2; \
	exit 1

# Their Python is that of .venv-uv, but for those that have one of their own.
ENVIRONMENTS = .venv .venv-localaws .venv-lint .venv-checkov .venv-glue .venv-lambda .venv-clients .venv-bench \
  .venv-browser .venv-fab .venv-mwaa .venv-oldest .venv-newest .venv-mutants
$(ENVIRONMENTS:%=%/synced): BASE = .venv-uv/bin/python

# Bytecode is compiled on installation: without it every start of an Airflow process takes three seconds longer.
.venv/synced: requirements/airflow.lock | .venv-uv/synced
.venv-localaws/synced: requirements/localaws.lock $(LOCALAWS)/pyproject.toml | .venv-uv/synced
.venv-localaws/synced: EDITABLE = $(LOCALAWS)
.venv-lint/synced: requirements/lint.lock | .venv-uv/synced
.venv-checkov/synced: requirements/checkov.lock | .venv-uv/synced
.venv-glue/synced: requirements/glue.lock | .venv-uv/synced
.venv-glue/synced: BASE = $(PYTHON39)
.venv-lambda/synced: requirements/lambda.lock | .venv-uv/synced
# Lambda's Python where it is at hand: the functions must run on any that the project runs on.
.venv-lambda/synced: BASE = $(shell $(PYTHON313) -c '' 2>/dev/null && echo $(PYTHON313) || echo .venv-uv/bin/python)
.venv-clients/synced: requirements/clients.lock | .venv-uv/synced
.venv-bench/synced: requirements/bench.lock | .venv-uv/synced
.venv-mutants/synced: requirements/mutants.lock | .venv-uv/synced
.venv-browser/synced: requirements/browser.lock | .venv-uv/synced
.venv-fab/synced: requirements/fab.lock | .venv-uv/synced
.venv-oldest/synced: requirements/airflow.lock | .venv-uv/synced
.venv-oldest/synced: BASE = $(PYTHON312)
.venv-newest/synced: requirements/airflow-newest.lock | .venv-uv/synced
.venv-newest/synced: BASE = $(PYTHON313)
.venv-mwaa/synced: requirements/mwaa.lock | .venv-uv/synced
.venv-mwaa/synced: BASE = $(PYTHON312)
$(ENVIRONMENTS:%=%/synced):
	@echo "Installing $< into $(@D)" >&2
	@[ -x $(@D)/bin/python ] || $(UV) venv --quiet --clear --no-project --python $(BASE) $(@D) || { \
	  echo "error: $(@D) needs another Python: install it, or name it as PYTHON39, PYTHON312 or PYTHON313" >&2; exit 1; }
	@VIRTUAL_ENV=$(@D) $(UV) pip sync --quiet --require-hashes --compile-bytecode $<
	@[ -z "$(EDITABLE)" ] || VIRTUAL_ENV=$(@D) $(UV) pip install --quiet --no-deps --no-build-isolation --editable $(EDITABLE)
	@touch $@
