# make demo: read the clip that ships with the project.  make test: the default tests.  VENV=dir for another environment.
VENV ?= .venv
export VENV

.PHONY: setup demo test lint clean
setup:
	@tools/setup.sh

demo: setup
	@mkdir -p demo/out
	@$(VENV)/bin/vsr transcribe demo/clip.mp4 --format txt,srt,vtt,json -o demo/out
	@echo "read:   $$(cat demo/out/clip.txt)"
	@echo "spoken: $$(cat demo/clip.txt)"
	@ls demo/out/*

test: setup
	@$(VENV)/bin/python -m pytest

lint: setup
	@$(VENV)/bin/ruff check .

clean:
	rm -rf demo/out build dist *.egg-info
