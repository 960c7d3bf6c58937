"""The metrics that an author's callable counts."""
