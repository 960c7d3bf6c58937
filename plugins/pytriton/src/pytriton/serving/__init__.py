"""From PyTriton's objects to those of pytriton-plugins; scripts do not import it."""
