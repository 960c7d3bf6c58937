"""The daemon's settings: where they come from, how each is read, what they make of a model; in the host process."""
