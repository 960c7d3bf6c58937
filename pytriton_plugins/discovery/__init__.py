"""Model and hook plugins: found in metadata, selected by the configuration, imported.

Only workers import model plugins (resolve); the daemon and the command line import hook plugins.
"""
