"""Tables of pages that are made from the code: they stand between ``<!-- NAME -->`` and ``<!-- end -->``."""

from collections.abc import Iterable, Mapping


def rows(heading: str, cells: Iterable[Iterable[str]]) -> str:
    """A table of Markdown. ``heading``: its columns, with | between."""
    names = heading.split("|")
    lines = [names, ["---"] * len(names), *cells]
    return "".join(f"| {' | '.join(cell.strip() for cell in line)} |\n" for line in lines)


def filled(page: str, tables: Mapping[str, str]) -> str:
    """The page with these tables. ValueError: it has no place for one."""
    for name, table in tables.items():
        before, mark, rest = page.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        if not mark or not end:
            raise ValueError(f"the page has no <!-- {name} --> with an <!-- end --> after it")
        page = before + mark + table + end + after
    return page
