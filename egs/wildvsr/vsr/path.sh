# Sourced by run.sh, and by hand (`. ./path.sh`): where the toolkit and its environment are. A site adds its modules below.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../../tools/path.sh"
