"""Programs that attach callables."""
