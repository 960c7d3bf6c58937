"""The command that runs `pytriton-host` with this interpreter."""

from __future__ import annotations

# As in the console script: `python -m` would prefer a checkout in the current folder to the installed package.
PROGRAM = (
    "import sys; sys.path[:1] = [] if sys.path[0] == '' else sys.path[:1]; "
    "from pytriton_plugins.cli.entry import main; sys.exit(main())"
)
