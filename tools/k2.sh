#!/usr/bin/env bash
# An environment for vsr/decoding/lattice.py: k2 1.23.2 with torch 1.12.1 on Python 3.9, on the CPU.
#
#   tools/k2.sh [DIR]     default: .venv-k2 at the project's root; K2_PYTHON=path names the Python 3.9
#
# Who has k2 for a current torch (from k2's own wheels) needs none of this: lattice.py runs in that environment.
set -euo pipefail
cd "$(dirname "$0")/.."
place=${1:-.venv-k2}

is_39() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 9))' 2>/dev/null; }

python=""
for name in ${K2_PYTHON:+"$K2_PYTHON"} python3.9 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.9.*/bin/python; do
    if is_39 "$name"; then python=$name && break; fi
done
[ -n "$python" ] || { echo "k2.sh: no Python 3.9 found: install one (pyenv install 3.9) or name it with K2_PYTHON" >&2; exit 1; }
[ -x "$place/bin/python" ] || "$python" -m venv "$place"
"$place/bin/python" -m pip install --quiet --disable-pip-version-check k2==1.23.2 torch==1.12.1 'numpy<2'
"$place/bin/python" -c 'import k2, torch; print("k2.sh: k2 with torch", torch.__version__)'
