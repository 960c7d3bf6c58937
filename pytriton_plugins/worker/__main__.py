"""``python -m pytriton_plugins.worker``: started by the daemon only."""

from __future__ import annotations

import sys

from pytriton_plugins.worker.main import main

sys.exit(main(sys.argv[1:]))
