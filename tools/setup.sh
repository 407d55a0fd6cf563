#!/usr/bin/env bash
# Set up a local environment in .venv (or $VENV): packages, the `vsr` command, and eSpeak NG for the puppet corpus.
# A second run sees from the stamp that nothing has changed and installs nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
stamp=$venv/.set-up
want=$(cat setup.cfg pyproject.toml requirements.lock tools/setup.sh | sha256sum | cut -d' ' -f1)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && exit 0

python=""
for name in python3.11 python3.12 python3.10 python3; do
    if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))'; then
        python=$name
        break
    fi
done
[ -n "$python" ] || { echo "setup: no Python 3.10, 3.11 or 3.12 found; install python3 and python3-venv" >&2; exit 1; }

if ! ldconfig -p 2>/dev/null | grep -q libespeak-ng; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        { apt-get update -qq && apt-get install -y -qq libespeak-ng1; } >/dev/null 2>&1 ||
            echo "setup: could not install libespeak-ng1; the puppet corpus will use the espeakng-loader package" >&2
    else
        echo "setup: libespeak-ng1 is not installed (Debian: apt-get install libespeak-ng1); using a packaged copy" >&2
    fi
fi

echo "setup: installing into $venv (a few minutes the first time)"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" -r requirements.lock
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps -e .
echo "$want" >"$stamp"
