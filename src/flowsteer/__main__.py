"""`python -m flowsteer`: the command line, where the command itself is not on the path."""

from flowsteer.cli.main import main

if __name__ == "__main__":
    main()
