"""The worker: the process that runs a marked callable, one for each instance; standard library and numpy only."""
