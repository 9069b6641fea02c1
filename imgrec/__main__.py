"""`python -m imgrec` is the command `imgrec`."""

from imgrec.cli import run

if __name__ == "__main__":
    run()
