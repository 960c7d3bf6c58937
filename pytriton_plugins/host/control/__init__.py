"""The control socket of the running daemon, and the commands that it answers, in the daemon's event loop."""
