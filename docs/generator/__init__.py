"""The texts of the generated pages of docs/reference/; docs/generate.py writes them."""

NOTE = "<!-- Written by docs/generate.py from {source}; change that file and run it. -->\n\n"


def page_head(source: str, title: str, intro: str, *code: str, language: str = "console") -> list[str]:
    """The first lines of a page: where it comes from, its title, what the reader gets, and code that runs."""
    note = NOTE.format(source=source).rstrip("\n")
    return [note, "", f"# {title}", "", intro, "", f"```{language}", *code, "```", ""]
