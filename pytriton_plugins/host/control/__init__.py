"""What operators and clients ask of the running daemon: its control socket, and what it answers there."""
