"""docs/events.md explains every column and every detail of a record."""

import events_page

from vnic.events.kinds import OF


def test_every_detail_is_explained():
    page = events_page.PAGE.read_text()
    explained = page.split("\n## The table of events\n")[1].split("\n## Kinds\n")[0]
    details = {name for kind in OF.values() for name in kind.args(0)}
    assert {name for name in details if f"`{name}`" not in explained} == set()


def test_every_column_has_a_meaning():
    for table in (events_page.TABLES["frames"](), events_page.TABLES["events"]()):
        assert all(line.count(" | ") == 3 and not line.endswith("|  |") for line in table.splitlines())
