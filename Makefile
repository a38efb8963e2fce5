# Every target makes the environment first (`make build`), once. ROS=kilted before or after a target chooses
# another ROS 2; ARGS="..." goes to the command behind the target.
.DEFAULT_GOAL := help
SHELL := /bin/sh
RUN = @. ./env.sh && exec

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-13s %s\n", $$1, $$2}'

build: ## make the environment: ROS 2, sustainml_msgs, the package linked to its sources
	@sh scripts/build.sh

demo: build ## solve three example problems with the whole system, optimise one, then end
	$(RUN) sustainml demo $(ARGS)

up: build ## run the whole system until Ctrl-C
	$(RUN) sustainml up $(ARGS)

PROCESSES = 2 # they mostly wait: for processes that start, for deadlines
test: build ## run all tests, in domains of their own (ARGS="test/core -k lifecycle" PROCESSES=0)
	@. ./env.sh && export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST ROS_DOMAIN_ID="$$(python scripts/free_domain.py)" && \
	exec env PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 PYTEST_PLUGINS=pytest_timeout,_hypothesis_pytestplugin,xdist.plugin \
	python -m pytest --durations=10 -n $(PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

# Build, messages, ROS interface, start, solve, managed nodes, recovery.
SHORT = test/node test/client $(addprefix test/system/test_,cli.py tasks.py managed_nodes.py orchestrator_process.py \
	ros_interface.py up.py)
test-kilted: ## a short suite on ROS 2 Kilted; make test ROS=kilted runs all
	@$(MAKE) --no-print-directory test ROS=kilted ARGS="$(SHORT) $(ARGS)"

test-web: build ## the web page in a real browser, also with 10,000 tasks; pictures in build/screenshots
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -q && \
	apt-get install -yq --no-install-recommends chromium fonts-dejavu-core fonts-noto-color-emoji; } || \
	{ echo "a browser is needed: sudo apt-get install -y chromium" >&2; exit 1; }
	$(ALONE) env SUSTAINML_WEB_LONG=1 PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 PYTEST_PLUGINS=pytest_timeout \
	python -m pytest --durations=10 test/web $(ARGS)

N = 10000
simulate: build ## run N random schedules of faults through the core, on all cores (N=1000000)
	$(RUN) env PYTHONPATH=test:$$PYTHONPATH python -m support.simulation --count $(N) $(ARGS)

# in a domain of its own
ALONE = @. ./env.sh && export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST \
	ROS_DOMAIN_ID="$$(python scripts/free_domain.py)" && exec

MINUTES = 10
chaos: build ## kill and freeze processes at random while tasks flow (MINUTES=10 ARGS="--seed 7")
	$(ALONE) env PYTHONPATH=test:$$PYTHONPATH python -m support.chaos --minutes $(MINUTES) $(ARGS)

nemesis: build ## real packets lost, delayed, doubled, cut off, while tasks flow; needs root (MINUTES=10)
	$(ALONE) env PYTHONPATH=test:$$PYTHONPATH python -m support.nemesis --minutes $(MINUTES) $(ARGS)

EXAMPLES = 1000
fuzz: build ## hostile messages, requests and files (EXAMPLES=10000 ARGS="--hypothesis-seed=7")
	$(ALONE) env FUZZ_EXAMPLES=$(EXAMPLES) PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 \
	PYTEST_PLUGINS=pytest_timeout,_hypothesis_pytestplugin python -m pytest -s --timeout=0 -o faulthandler_timeout=0 test/fuzz $(ARGS)

FUZZ_REST = build/fuzz-rest
fuzz-rest: build ## requests made from the description of the REST interface, by Schemathesis (EXAMPLES=100)
	@. ./env.sh && test -x $(FUZZ_REST)/bin/schemathesis || { env -u PYTHONPATH python -m venv $(FUZZ_REST) && \
	env -u PYTHONPATH $(FUZZ_REST)/bin/python -m pip install --quiet --no-deps --no-input -r requirements/fuzz-rest.txt; }
	$(ALONE) env PYTHONPATH=test:$$PYTHONPATH python -m support.fuzz_rest --examples $(or $(filter-out 1000,$(EXAMPLES)),100) \
	$(abspath $(FUZZ_REST))/bin/schemathesis $(ARGS)

fresh: ## try the two commands of the README on a bare Debian, in a chroot; needs root and debootstrap
	@sh scripts/try_fresh.sh

HOURS = 1
soak: build ## tasks for hours: memory, descriptors and threads stay flat (HOURS=1 ARGS="--plot FILE")
	$(ALONE) env PYTHONPATH=test:$$PYTHONPATH python -m support.soak --hours $(HOURS) $(ARGS)

load: build ## a thousand tasks at once, three times; 10,000 that wait (ARGS="--tasks 5000")
	$(ALONE) env PYTHONPATH=test:$$PYTHONPATH python -m support.load $(ARGS)

BENCH = @. ./env.sh && export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST \
	ROS_DOMAIN_ID="$$(python scripts/free_domain.py)" && exec python -m bench

bench: build ## measure beside bare rclpy: table and bench/results/<date>.json (ARGS="--only start")
	$(BENCH) $(ARGS)

bench-full: build ## the same with a million iterations
	$(BENCH) --full $(ARGS)

bench-compare: build ## what got better or worse: make bench-compare A=before.json B=after.json
	$(RUN) python -m bench.compare $(or $(strip $(A) $(B)),$(filter %.json,$(MAKECMDGOALS)))

ifneq (,$(filter bench-compare,$(MAKECMDGOALS)))
%.json: ; @: # files given as goals are not to be made
endif

loop: build ## measure the optimisation loop against exhaustive search, as tables
	$(RUN) python -m bench.loop $(ARGS)

answers: build ## judge the answers to a hundred problems; the table of docs/answers.md
	$(RUN) python -m bench.answers $(or $(ARGS),--write docs/answers.md)

UV = uv==0.13.9
hashes: build ## write requirements/hashed from the pins in requirements, after changing those
	@. ./env.sh && python -m pip install --quiet --no-deps --no-input $(UV) && for name in ros-jazzy ros-kilted build runtime web dev; do \
	uv pip compile --quiet --no-deps --universal --generate-hashes --no-annotate --no-header --python-version 3.10 \
	requirements/$$name.txt -o requirements/hashed/$$name.txt || exit 1; done

likeness: build ## learn the ML tasks anew from config/catalog/task_examples.yaml
	@. ./env.sh && python -m pip install --quiet --no-deps --no-input -r requirements/likeness.txt
	$(RUN) python scripts/train_likeness.py

states: build ## write the state machines of docs/architecture.md from the tables in the code
	$(RUN) python scripts/state_diagrams.py

parameters: build ## write config/orchestrator.yaml and docs/parameters.md from the tables in the code
	$(RUN) python scripts/parameter_files.py

policy: build ## write config/security/policy.xml from the names that the nodes use
	$(RUN) python scripts/security_policy.py

ros-api: build ## write docs/ros_api.md from the interface files and the names that the nodes use
	$(RUN) python scripts/ros_api.py

lint: build ## check style, format and types
	@. ./env.sh && ruff check . && ruff format --check . && mypy

clean: ## remove all that was made, for every ROS 2
	rm -rf .venv .venv-* .venv*.lock build build-* install install-* log log-*
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

several-machines: build ## three hosts by multicast, static peers and discovery server, on a bad network; needs root
	$(ALONE) env PYTHONPATH=test:$$PYTHONPATH python -m support.several_machines $(ARGS)

.PHONY: help build demo up test fresh test-web simulate chaos nemesis several-machines fuzz soak load bench bench-full bench-compare loop answers hashes likeness states parameters policy ros-api test-kilted lint clean
