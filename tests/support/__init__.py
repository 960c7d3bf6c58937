"""Support for tests that also runs as a command from the checkout's root."""
