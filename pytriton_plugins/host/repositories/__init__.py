"""Ordinary Triton model repositories beside the plugins: read, checked and kept loaded. Runs in the daemon, and in commands."""
