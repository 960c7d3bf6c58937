"""Plugins and models: their registry, and a supervisor for each served model. It runs in the daemon's event loop."""
