"""``python -m kinema``: the command line, where the script ``kinema`` is not on the path."""

import sys

from kinema.cli import main

if __name__ == "__main__":
    sys.exit(main())
