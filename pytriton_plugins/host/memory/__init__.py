"""Shared memory: who has how much, what a batch gets that needs more, what the system allows."""
