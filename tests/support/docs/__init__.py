"""README.md and docs/ as code that runs."""
