"""``python -m pytriton_plugins`` is ``pytriton-host``."""

from __future__ import annotations

import os
import sys

try:
    folder = os.getcwd()
except OSError:  # it was deleted; the command line reports that
    folder = ""
if sys.path[:1] == [folder]:
    # Where `python -m` puts it, files of the working directory would replace installed modules.
    sys.path.append(sys.path.pop(0))

from pytriton_plugins.cli.entry import main

sys.exit(main())
