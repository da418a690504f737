# The same commands everywhere: here, in CI and in the README. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help install check format test demo bench judge protos sanitize emulate neon cuda clean

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PATHS := protos server training kernels tests
CPU := kernels/shortlist_kernels/cpu
C_SOURCES = $(shell git ls-files '*.c' '*.h')
BUILD_INPUTS = pyproject.toml constraints.txt kernels/CMakeLists.txt \
	$(shell find kernels/shortlist_kernels -name '*.c' -o -name '*.h' -o -name '*.pyx' -o -name '*.pxi')

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/pip: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Shortlist needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": set PYTHON=/path/to/python3")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install --quiet --upgrade --constraint constraints.txt pip
	@touch $@

# Compiled without isolation, with the pinned build tools: `make install` after a change of C code is incremental.
.venv/runtime: .venv/pip $(BUILD_INPUTS)
	@echo "installing Shortlist with its server and training extras (the first time downloads PyTorch and onnxruntime)"
	$(PIP) install --quiet --constraint constraints.txt --group build
	$(PIP) install --quiet --constraint constraints.txt --no-build-isolation --editable '.[server,training]'
	@touch $@

.venv/tests: .venv/runtime
	$(PIP) install --quiet --constraint constraints.txt --group test
	@touch $@

.venv/bench: .venv/runtime
	$(PIP) install --quiet --constraint constraints.txt --group bench
	@touch $@

install: .venv/tests  ## make .venv with everything needed to run, test and change Shortlist

demo: .venv/runtime  ## train on the built-in data, serve, and print recommendations with reasons
	$(BIN)/shortlist demo --dir build/demo

check: .venv/tests  ## lint, formats, types, contract
	$(BIN)/ruff check $(PATHS)
	$(BIN)/ruff format --check $(PATHS)
	$(BIN)/clang-format --dry-run --Werror $(C_SOURCES)
	$(BIN)/buf lint protos
	$(BIN)/mypy $(PATHS)

format: .venv/tests  ## rewrite the sources in the house's format
	$(BIN)/ruff check --fix $(PATHS)
	$(BIN)/ruff format $(PATHS)
	$(BIN)/clang-format -i $(C_SOURCES)

test: check  ## check, then the whole test suite
	$(BIN)/python -m pytest

sanitize: .venv/tests  ## the kernel tests under AddressSanitizer and UndefinedBehaviorSanitizer
	$(BIN)/python kernels/sanitize.py

emulate: .venv/tests  ## the same with AVX-512 and AMX computed in C (apt-get install libsimde-dev)
	$(BIN)/python kernels/sanitize.py --emulate

neon:  ## neon.c on an emulated aarch64 (apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)
	mkdir -p build
	aarch64-linux-gnu-gcc -std=c11 -O3 -ffp-contract=off -march=armv8.2-a+dotprod -Wall -Wextra -Werror -static \
		-I $(CPU) tests/kernels/emulation/compare_neon.c $(CPU)/simd/neon.c $(CPU)/simd/baseline.c \
		$(CPU)/simd/topk_baseline.c -lm -o build/compare_neon
	qemu-aarch64 -cpu max build/compare_neon

cuda: .venv/tests  ## compile the CUDA kernels and print their registers and spills; needs no GPU
	cd kernels && ../$(BIN)/python -m benchmarks.cuda_report

protos: .venv/tests  ## regenerate the committed code of the contract
	$(BIN)/python protos/generate.py

bench: .venv/bench  ## kernels beside their peers (tables, build/bench), and the server on the demo's package
	cd kernels && ../$(BIN)/python -m benchmarks.search
	cd kernels && ../$(BIN)/python -m benchmarks.ranking
	cd kernels && ../$(BIN)/python -m benchmarks.cuda_search
	test -d build/demo/package || $(BIN)/shortlist demo --dir build/demo
	$(BIN)/python server/benchmarks/recommend.py --package build/demo/package
	$(BIN)/python server/benchmarks/search_service.py

judge: .venv/tests  ## predicted ratings beside scikit-surprise on MovieLens-100K (downloads both)
	$(PIP) install --quiet --constraint constraints.txt --group judge
	test -e build/recbole-1.2.1-py3-none-any.whl || $(PIP) download --quiet --no-deps --dest build recbole==1.2.1
	$(BIN)/python -m pytest -rP tests/kernels/test_judge.py

clean:  ## remove everything that was built
	rm -rf build .venv .mypy_cache .ruff_cache .pytest_cache
