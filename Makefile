# Every target makes the virtual environment that it needs under .venv/.
PYTHON ?= python3
REFERENCE := .venv/reference
LATEST := .venv/latest
EXTRAS := .venv/extras
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-latest test-long test-kills test-slow test-wheel test-extras test-browser docs bench clean

# The reference stack: what requirements.txt gives this Python.
$(REFERENCE)/installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(REFERENCE)
	$(REFERENCE)/bin/pip install -q -r requirements.txt
	touch $@

# TensorFlow 2.21 with Keras 3, without TensorFlow Addons, on any Python.
$(LATEST)/installed: pyproject.toml
	$(PYTHON) -m venv $(LATEST)
	$(LATEST)/bin/pip install -q 'tensorflow==2.21.*' -e '.[dev]'
	touch $@

# Every extra that some users need, on the newest stack.
$(EXTRAS)/installed: pyproject.toml
	$(PYTHON) -m venv $(EXTRAS)
	$(EXTRAS)/bin/pip install -q \
	    -e '.[dev,demo,detection,exr,heic,hed,hub,onnx,openvino,raw,serving,video]' \
	    ovmsclient
	touch $@

# From nothing to the defocus maps of the sample photographs.
demo: $(REFERENCE)/installed
	PYTHON=$(REFERENCE)/bin/python sh experiments/demo.sh

test: $(REFERENCE)/installed
	$(REFERENCE)/bin/ruff check .
	$(REFERENCE)/bin/mypy
	$(REFERENCE)/bin/python -m pytest -q -n 2 --dist loadfile --durations=10

test-latest: $(LATEST)/installed
	$(LATEST)/bin/python -m pytest -q -n 2 --dist loadfile --durations=10

# What takes many seconds or starts processes; on TensorFlow 2.21 what differs
# most between Keras 2 and 3 (make test-slow runs all on both).
test-long: $(REFERENCE)/installed $(LATEST)/installed
	$(REFERENCE)/bin/python -m pytest -q -n 2 --dist loadfile --durations=10 \
	    -m 'long and not slow'
	$(LATEST)/bin/python -m pytest -q -n 2 --dist loadfile --durations=10 \
	    -m 'long and not slow' tests/test_keras.py tests/test_export.py \
	    tests/train/test_steps.py

# Trainings that are killed, stopped or damaged, or run in several processes;
# the campaigns of damaged files and failing disks in small.
test-kills: $(REFERENCE)/installed
	$(REFERENCE)/bin/python -m pytest -q -n 2 --durations=10 -m slow \
	    tests/train/test_resume.py tests/train/test_workers.py \
	    tests/campaigns/fuzz.py tests/campaigns/disk.py

# Builds sdist and wheel, and uses the wheel where no checkout is.
test-wheel: $(LATEST)/installed
	BUILD=$(LATEST)/bin/python PYTHON=$(PYTHON) sh .ci/wheel.sh

# The tests that need an extra; one that is skipped is a failure here.
test-extras: $(EXTRAS)/installed
	DMENET_EXTRAS=1 $(EXTRAS)/bin/python -m pytest -q -n 2 --dist loadfile \
	    -m 'extra and not slow'

# The page of export --web in Chromium (apt-get install chromium), the notebook,
# and many clients at once; npm fetches what the page is run by.
test-browser: $(EXTRAS)/installed
	$(EXTRAS)/bin/pip install -q playwright nbclient nbformat ipykernel
	npm install --silent --no-save --prefix $(EXTRAS)/npm \
	    onnxruntime-web@$$($(EXTRAS)/bin/python -c \
	    'from dmenet_tf import web; print(web.VERSION)')
	DMENET_ONNXRUNTIME_WEB=$(EXTRAS)/npm/node_modules/onnxruntime-web \
	    $(EXTRAS)/bin/python -m pytest -q -m slow tests/web \
	    tests/test_notebook.py tests/campaigns/load.py

# What takes minutes: run before a release.
test-slow: $(REFERENCE)/installed $(LATEST)/installed
	DMENET_OTHER_PYTHON=$(abspath $(LATEST))/bin/python \
	    $(REFERENCE)/bin/python -m pytest -q -m 'slow or long'
	DMENET_OTHER_PYTHON=$(abspath $(REFERENCE))/bin/python \
	    $(LATEST)/bin/python -m pytest -q -m 'slow or long'

# The pages, into site/; a warning is an error. docs/pictures/make.sh makes
# their pictures.
docs: $(REFERENCE)/installed
	NO_MKDOCS_2_WARNING=1 $(REFERENCE)/bin/mkdocs build --strict

bench: $(REFERENCE)/installed
	cd experiments/benchmarks; p=../../$(REFERENCE)/bin/python; set -ex; \
	$$p padding.py; $$p render.py --references=1; $$p syndof.py --count=20; \
	$$p input.py --cache=ram; $$p step.py; $$p evaluate.py 704; \
	$$p estimate.py --sizes=240x240,480x640 --rounds=1; \
	$$p enlarged.py ../../data/samples/photographs; \
	$$p applications.py --scenes=../../data/samples/rgbd --count=2; \
	$$p deblur.py --scenes=../../data/samples/rgbd --count=2 --noothers

clean:
	rm -rf .venv demo_output site
