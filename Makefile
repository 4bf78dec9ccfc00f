# SPDX-License-Identifier: Apache-2.0
#
# The front door. CMake and Ninja do the building; each target here first installs
# the packages that it needs (tests/setup.sh, instant when there is nothing to do).
#
#   make run      set up, build, run the demo
#   make build    set up, build everything: build/bin/warden, build/lib/libwarden.{so,a}
#   make test     every test, in release, then under ASan + UBSan, then under TSan
#   make bench    every bench in its quick mode, checked but not to be quoted
#   make fuzz     fuzz the parsers, recovery and the C ABI: SECONDS=60 a target; needs clang
#   make lint     clang-format and clang-tidy on what changed (ALL=1: on everything)
#   make help     all targets

BUILD ?= build
# Which builds `make test` runs: RUNS=release is the short way round.
RUNS ?= release asan tsan
JOBS ?= $(shell nproc)

# One compiler cache for all clones and worktrees of a user; paths inside the tree
# are hashed relative to it, so a second clone builds from the cache.
export CCACHE_DIR ?= $(or $(HOME),$(CURDIR)/$(BUILD))/.cache/ccache
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1
export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)

CONFIGURE = cmake -S . -B $(BUILD) -G Ninja -DCMAKE_BUILD_TYPE=Release

.PHONY: help setup build run test bench bench-wheel soak fuzz lint clean

build:
	@tests/setup.sh run test bench
	$(CONFIGURE) -DWARDEN_TESTS=ON -DWARDEN_BENCH=ON
	cmake --build $(BUILD)

help:
	@sed -n 's/^#   \(make .*\)/\1/p' Makefile
	@echo 'make setup    install every missing package, those of lint too'
	@echo 'make soak     the long tests that make test leaves out'
	@echo 'make bench-wheel  the full comparison of the wheel with its peers'
	@echo 'make clean    remove $(BUILD)/'

setup:
	@tests/setup.sh

# Needs the packages of no test and no bench, so it leaves both out of a new build.
run:
	@tests/setup.sh run
	@test -f $(BUILD)/build.ninja || \
	  $(CONFIGURE) -DWARDEN_TESTS=OFF -DWARDEN_BENCH=OFF
	cmake --build $(BUILD) --target bin/warden
	$(BUILD)/bin/warden demo

test:
	@tests/setup.sh run test
	@tests/suite.py --build $(BUILD) --jobs $(JOBS) $(RUNS)

# The log's harnesses for so long, from where they stopped; then the cases labelled soak.
MINUTES ?= 60
soak: build
	@tests/soak.py --build $(BUILD) --jobs $(JOBS) --minutes $(MINUTES)
	@tests/suite.py --build $(BUILD) --jobs $(JOBS) --soak release

# With clang in a build of its own; the inputs found stay in $(BUILD)/fuzz/corpus.
SECONDS ?= 60
fuzz:
	@tests/setup.sh run test
	@WARDEN_BUILD_DIR=$(BUILD)/fuzz tests/fuzz/run.sh $(SECONDS)

bench:
	@tests/setup.sh run test bench
	@tests/bench.sh $(BUILD)

# Full settings: a quiet machine and the better part of an hour.
bench-wheel:
	@tests/setup.sh run test bench
	$(CONFIGURE) -DWARDEN_BENCH=ON
	cmake --build $(BUILD) --target wheel_bench
	python3 bench/wheel/run.py --bench $(BUILD)/bin/wheel_bench --out bench/results

lint:
	@tests/setup.sh run test bench lint
	@$(CONFIGURE) -DWARDEN_TESTS=ON -DWARDEN_BENCH=ON >/dev/null
	@tests/lint.sh $(BUILD) $(ALL)

clean:
	rm -rf $(BUILD)
