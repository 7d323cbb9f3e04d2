"""`turnout`, and `python -m turnout`: the terminal, quiet also when Ctrl-C comes while it loads."""

import sys
from typing import Never


def main() -> Never:
    """Hand over to `turnout.cli`, whose imports take a moment."""
    try:
        from turnout.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
