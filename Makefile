# make demo: read and voice the clip that ships with the project.  make test: the default tests.  VENV=dir for another environment.
VENV ?= .venv
export VENV

.PHONY: setup setup-tests demo test docs lint lock clean
setup:
	@tools/setup.sh

# With packages that are built from source, which reading and speaking do without.
setup-tests:
	@tools/setup.sh tests

demo: setup
	@mkdir -p demo/out
	@$(VENV)/bin/vsr transcribe demo/clip.mp4 --format txt,srt,vtt,json -o demo/out
	@$(VENV)/bin/lip2speech speak demo/clip.mp4 -o demo/out/voiced.mp4
	@echo "read:   $$(cat demo/out/clip.txt)"
	@echo "spoken: $$(cat demo/clip.txt)"
	@ls demo/out/*

# Two files of tests at a time, each on a core of its own. Bytecode is kept even where the machine says otherwise: hundreds of
# processes would compile the same packages again.
test: setup-tests
	@PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=20

# Pages of docs/, the docstrings and every --help, in build/docs.
docs: setup
	@$(VENV)/bin/python -c 'import mkdocs, material, mkdocstrings_handlers.python' 2>/dev/null || \
	    $(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python mkdocs-material 'mkdocstrings[python]'
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --quiet --strict
	@echo "pages: build/docs/index.html"

lint: setup
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check --quiet .
	@$(VENV)/bin/mypy

# mediapipe's needs that nothing here uses are left out: see [tool.uv] in pyproject.toml.
lock: setup
	@sed -n '/^override-dependencies/,/^]/s/^ *"\(.*\)",$$/\1/p' pyproject.toml > .overrides
	@{ head -n 1 requirements.lock; $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.10 \
	    --override .overrides --extra cluster --extra dev --extra docs --extra exchange --extra export --extra faces --extra headless --extra lm --extra phones --extra puppet \
	    --extra reference --extra speech --extra translation --extra web --no-header --no-annotate --no-emit-index-url setup.cfg; \
	} > .lock && mv .lock requirements.lock && rm .overrides

clean:
	rm -rf demo/out build dist *.egg-info
