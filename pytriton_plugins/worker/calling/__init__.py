"""One batch through the marked callable: its arguments, what it returns, what goes wrong."""
