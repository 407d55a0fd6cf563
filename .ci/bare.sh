#!/usr/bin/env bash
# What a new machine does: `make demo` without a compiler in PATH and with an empty package cache, for every Python that
# is supported and found here; then the wheel, installed by pip alone, reads and voices the clip.
set -euo pipefail
cd "$(dirname "$0")/.."
room=$(mktemp -d "${TMPDIR:-/tmp}/bare.XXXXXX")
trap 'rm -rf "$room"' EXIT
expected="place blue by m five please"

# Every program of the system but compilers; the interpreter is added by its true place, not by a version manager's shim.
mkdir "$room/bin"
for program in /usr/local/bin/* /usr/bin/* /bin/*; do
    case ${program##*/} in
        *gcc* | *g++* | cc | c++ | c89* | c99* | *clang* | cpp* | python3*) ;;
        *) ln -sf "$program" "$room/bin/" ;;
    esac
done

clean() { env -i HOME="$room" PATH="$room/bin" TMPDIR="$room" UV_CACHE_DIR="$room/cache" PIP_CACHE_DIR="$room/cache" \
    ${PIP_CERT:+PIP_CERT="$PIP_CERT"} ${SSL_CERT_FILE:+SSL_CERT_FILE="$SSL_CERT_FILE"} "$@"; }
# The interpreter of a version: in PATH, or one that pyenv keeps.
interpreter() {
    local name
    for name in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/"python$1"; do
        "$name" -c 'import os, sys; print(os.path.realpath(sys.executable))' 2>/dev/null && return
    done
    return 1
}
fail() { echo "bare: $*" >&2; exit 1; }

demo() {
    local python=$1 copy=$room/copy
    git clone --quiet . "$copy"
    clean make -C "$copy" PYTHON="$python" demo | tee "$room/out"
    grep -qx "read:   $expected" "$room/out" || fail "$python: the demo's clip was not read"
    [ -s "$copy/demo/out/voiced.mp4" ] || fail "$python: the demo's clip was not voiced"
    rm -rf "$copy" "$room/cache"
}

wheel() {
    local python=$1 venv=$room/wheel
    "$VENV/bin/python" -m build --wheel --outdir "$room/dist" . >"$room/build.log" || { tail "$room/build.log" >&2; fail "no wheel"; }
    clean "$python" -m venv "$venv"
    clean "$venv/bin/pip" install --quiet --disable-pip-version-check "$room"/dist/vsr_lip2speech-*.whl
    cp demo/clip.mp4 "$room/clip.mp4"
    [ "$(cd "$room" && clean "$venv/bin/vsr" transcribe clip.mp4)" = "$expected" ] || fail "the wheel does not read the clip"
    (cd "$room" && clean "$venv/bin/lip2speech" speak clip.mp4 -o voice.wav && [ -s voice.wav ]) || fail "the wheel is mute"
    rm -rf "$venv" "$room/cache"
}

found=""
for version in 3.10 3.11 3.12 3.13; do
    place=$(interpreter "$version") || { echo "bare: no Python $version here: skipped"; continue; }
    ln -sf "$place" "$room/bin/python$version"
    echo "bare: make demo with Python $version"
    demo "python$version"
    found=$version
done
[ -n "$found" ] || fail "no Python from 3.10 to 3.13 was found"
[ ! -e "$room/bin/python3.11" ] || found=3.11
echo "bare: the wheel with Python $found"
wheel "python$found"
