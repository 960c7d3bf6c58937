"""The author's side: how a callable is marked and what it declares; standard library and numpy only.

Author modules import it, and so do workers, the command line and the daemon.
"""
