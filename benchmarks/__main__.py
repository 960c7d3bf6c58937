"""`python -m benchmarks`: see command_line.py."""

from __future__ import annotations

import sys

from benchmarks.installed import PACKAGE, command

try:
    from benchmarks.command_line import main
except ModuleNotFoundError as error:
    name = str(error.name)
    if name.partition(".")[0] in ("benchmarks", PACKAGE):
        raise
    sys.exit(f"benchmarks: {name} is not installed for this Python: run `{command()}`")

if __name__ == "__main__":
    sys.exit(main())
