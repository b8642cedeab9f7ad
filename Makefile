# Everything runs in the virtual environment .venv, created from requirements/ on first use.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
RUN := $(VENV)/bin/python -m
POSE := $(RUN) pose_estimation_ros
READY := $(VENV)/.complete
# Interpreter to make .venv from; empty: python3.11, otherwise python3.
PYTHON ?=
# Weights for demo and bench: a saved folder, a published .pth, .onnx or .xml; empty: the embedded model.
WEIGHTS ?=
# More arguments for pytest, such as PYTEST_ARGS='--durations=20', and for the program that demo and bench start.
PYTEST_ARGS ?=
ARGS ?=
# Processes that run tests at the same time, each with one thread.
WORKERS ?= 2
# Tests that train run in a process of their own: beside the native libraries of all others, torch crashed now and then.
TRAINING := test/training test/learners/test_fit.py test/apps/test_train.py
PYTEST := $(RUN) pytest -n $(WORKERS) --dist worksteal
override weights := $(if $(WEIGHTS),--weights '$(WEIGHTS)')

# ImageNet as Kaggle gives it to registered users.
IMAGENET_ZIP ?= data/imagenet-object-localization-challenge.zip

.PHONY: help env lint quick check test demo bench dirs imagenet coco mlflow_server docs lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z_]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo 'Settings: WEIGHTS=PATH (demo, bench), ARGS=... (demo, bench), PYTEST_ARGS=..., WORKERS=2 (check, test), PYTHON=... (env)'

env: $(READY) ## create .venv

$(READY): requirements/pins.txt requirements/lock.txt
	@PYTHON='$(PYTHON)' scripts/make_env.sh $(VENV)

lint: $(READY) ## check formatting, style and types
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy

quick: $(READY) ## run the quick tests
	$(PYTEST) -m 'not slow' $(PYTEST_ARGS) $(addprefix --ignore=,$(TRAINING)) || [ $$? -eq 5 ]
	$(PYTEST) -m 'not slow' $(PYTEST_ARGS) $(TRAINING) || [ $$? -eq 5 ]

check: lint quick ## run the linters and the quick tests

test: lint ## run the linters and every test, slow ones too (WORKERS=2)
	$(PYTEST) $(PYTEST_ARGS) $(addprefix --ignore=,$(TRAINING)) || [ $$? -eq 5 ]
	$(PYTEST) $(PYTEST_ARGS) $(TRAINING) || [ $$? -eq 5 ]

demo: $(READY) ## run camera and node over ROS 2: annotated video, image, skeletons as JSON, rates (WEIGHTS=PATH)
	$(POSE) demo --output build/demo $(weights) $(ARGS)

bench: $(READY) ## measure every stage and print a table (WEIGHTS=PATH)
	$(POSE) benchmark --output build/bench $(weights) $(ARGS)

dirs: ## create results, pretrained and inference_out
	mkdir -p results pretrained inference_out

imagenet: $(READY) ## unpack ImageNet into data/ImageNet (IMAGENET_ZIP=PATH)
	$(POSE) prepare imagenet --archive '$(IMAGENET_ZIP)' $(ARGS)

coco: $(READY) ## download COCO 2017 with its test images into data/COCO
	$(POSE) prepare coco --parts train2017,val2017,test2017,annotations $(ARGS)

mlflow_server: $(READY) ## start an MLflow server on port 5000 of this machine, for --logging.mlflow; needs `pip install mlflow`
	$(RUN) mlflow server --backend-store-uri sqlite:///mlruns.db --default-artifact-root ./artifacts $(ARGS)

docs: $(READY) ## build the documentation as HTML in build/docs; a broken link or anchor is an error
	$(RUN) sphinx -W --keep-going -q -n -b html -d build/doctrees docs build/docs
	@echo 'wrote build/docs/index.html'

lock: $(READY) ## write requirements/lock.txt from .venv, after a change of pins.txt
	@scripts/make_lock.sh $(VENV)

clean: ## remove build outputs; .venv stays
	rm -rf build install log dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +
