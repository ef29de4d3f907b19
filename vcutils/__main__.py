"""`python -m vcutils` is the command `vcutils`."""
import sys

from vcutils.cli import main

if __name__ == "__main__":
    sys.exit(main())
