"""Calls of other models by a callable, over the channel that has its batch; runs in workers."""
