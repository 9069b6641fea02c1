"""`python -m imgrec` is the command `imgrec`."""

from imgrec.cli import main

if __name__ == "__main__":
    main()
