"""Which plugins and models there are, and the life of each served model."""
