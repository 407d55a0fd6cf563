"""`python -m vsr.cli`."""

import sys

from vsr.cli import main

if __name__ == "__main__":
    sys.exit(main())
