"""Measures this project and its peers side by side (README.md).

The modules run in the benchmark process, which starts the servers as its children. `floor_host.py`, `models/`, `hooks/`
and `soak/client_process.py` run in processes of their own.
"""
