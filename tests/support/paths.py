"""Where things lie in the checkout."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "tests/support/models"
PLUGINS = ROOT / "tests/support/plugins"
