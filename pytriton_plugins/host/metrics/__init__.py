"""Metrics of models, beside Triton's own: checked, added up, and sent to the backend."""
