"""`python -m acd`."""

from acd.cli import main

if __name__ == "__main__":
    main()
