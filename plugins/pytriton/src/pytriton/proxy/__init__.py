"""What a callable gets."""
