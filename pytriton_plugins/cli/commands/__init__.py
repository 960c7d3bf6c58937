"""One module for each command of `pytriton-host`."""
