"""Ordinary Triton model repositories beside the plugins: the daemon and commands read them, the daemon loads them."""
