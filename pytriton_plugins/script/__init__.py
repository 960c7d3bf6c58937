"""A daemon that a script, a notebook or a test starts and owns; runs in that program's process."""
