"""``python -m statusgate`` is the command."""

from statusgate.cli import main

if __name__ == "__main__":
    main()
