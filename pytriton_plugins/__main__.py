"""``python -m pytriton_plugins`` is ``pytriton-host``; runs in the host process."""

from __future__ import annotations

import sys

from pytriton_plugins.cli.entry import main

sys.exit(main())
