"""`python -m bot` is `herald`."""

from bot.cli import main

if __name__ == "__main__":
    main()
