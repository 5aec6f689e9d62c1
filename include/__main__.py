"""`python -m include …`: the operator's command line."""

from __future__ import annotations

import sys

from include.commands.main import main
from include.serving.command import add_commands

if __name__ == "__main__":
    sys.exit(main(also=add_commands))
