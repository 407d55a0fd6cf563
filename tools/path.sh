# The environment of every recipe: its path.sh sources this. VENV=DIR names another environment than .venv at the top,
# THREADS=N the threads of each command (else as many as its configuration or the libraries take).
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$(realpath -m "${VENV:-$top/.venv}")
export PATH="$venv/bin:$top/tools/parallel:$PATH" PYTHONUNBUFFERED=1
[ -z "${THREADS:-}" ] || export OMP_NUM_THREADS=$THREADS
