"""``python -m pytriton_plugins`` is ``pytriton-host``; runs in the host process."""

from __future__ import annotations

import os
import sys

try:
    folder = os.getcwd()
except OSError:  # it was deleted, which the command line tells
    folder = ""
if sys.path[:1] == [folder]:
    # Where `python -m` puts it, what lies in the working directory would stand in for installed modules.
    sys.path.append(sys.path.pop(0))

from pytriton_plugins.cli.entry import main

sys.exit(main())
