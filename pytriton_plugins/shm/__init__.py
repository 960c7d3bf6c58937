"""Segments and channels, Python side: standard library and numpy only; used by host and workers."""
