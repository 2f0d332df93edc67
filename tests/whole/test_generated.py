"""Files that are made from the code are as the code makes them now."""

import generated
import pytest
from page_tables import filled
from paths import ROOT


@pytest.mark.parametrize("path", generated.MADE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_made_file_is_up_to_date(path):
    assert path.read_text() == generated.MADE[path](), "scripts/generate writes it"


def test_a_table_needs_its_place_on_the_page():
    assert filled("a <!-- t -->\nold\n<!-- end --> b", {"t": "new\n"}) == "a <!-- t -->\nnew\n<!-- end --> b"
    for page in ("", "<!-- u -->\n<!-- end -->", "<!-- t -->\n"):
        with pytest.raises(ValueError, match="no <!-- t -->"):
            filled(page, {"t": "new"})
