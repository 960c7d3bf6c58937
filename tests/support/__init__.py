"""Support for the tests, and commands that run in the checkout's root.

The modules run in the pytest process, apart from models, plugins and programs, whose docstrings say so.
"""
