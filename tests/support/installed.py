"""The model plugins that are installed beside the tests."""

from __future__ import annotations

from importlib.metadata import entry_points

WITHOUT_THEM = [f"--no-plugin={point.name}" for point in entry_points(group="pytriton_plugins.models")]
"""Options with which none of them is served."""
