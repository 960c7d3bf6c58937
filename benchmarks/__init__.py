"""What this project measures and how (README.md). Runs in a process of its own, which starts the servers."""
