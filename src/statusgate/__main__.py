"""``python -m statusgate`` is the command."""

from statusgate.cli.main import main

if __name__ == "__main__":
    main()
