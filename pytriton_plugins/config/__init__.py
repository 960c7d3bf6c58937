"""The daemon's settings: where they come from, how each is read, and their effect on a model.

Used by the host process and by the commands.
"""
