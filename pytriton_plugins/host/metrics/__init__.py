"""The metrics that stand beside Triton's own: checked, added up, handed to the backend."""
