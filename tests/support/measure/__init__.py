"""Figures that tests print, and measures of the source."""
