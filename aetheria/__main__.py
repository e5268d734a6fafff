"""`python -m aetheria`: the command line."""

from aetheria.cli import main

if __name__ == "__main__":
    main()
