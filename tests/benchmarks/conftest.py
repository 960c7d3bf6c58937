"""Makes `benchmarks` importable, which is never installed: last on the path, behind an installed framework."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
