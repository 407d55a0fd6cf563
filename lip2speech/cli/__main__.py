"""`python -m lip2speech.cli`."""

import sys

from lip2speech.cli import main

if __name__ == "__main__":
    sys.exit(main())
