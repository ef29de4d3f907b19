"""`python -m vcutils` is the command `vcutils`."""
from vcutils.cli import run

if __name__ == "__main__":
    run()
