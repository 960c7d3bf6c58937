"""Shared memory of models: the segments of each, more for a batch that needs it, and the limits of the system."""
