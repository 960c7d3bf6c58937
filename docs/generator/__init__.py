"""The texts of the generated pages of docs/reference/; docs/generate.py writes them."""

NOTE = "<!-- Written by docs/generate.py from {source}; change that file and run it. -->\n\n"
