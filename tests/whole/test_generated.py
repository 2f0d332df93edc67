"""Files that are made from the code are as the code makes them now."""

import re
import subprocess
import sys

import core_stub
import generated
import pytest
from page_tables import filled
from paths import ROOT

from vnic._core import lib


@pytest.mark.parametrize("path", generated.MADE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_made_file_is_up_to_date(path):
    assert path.read_text() == generated.MADE[path](), "scripts/generate writes it"


def test_a_table_needs_its_place_on_the_page():
    assert filled("a <!-- t -->\nold\n<!-- end --> b", {"t": "new\n"}) == "a <!-- t -->\nnew\n<!-- end --> b"
    for page in ("", "<!-- u -->\n<!-- end -->", "<!-- t -->\n"):
        with pytest.raises(ValueError, match="no <!-- t -->"):
            filled(page, {"t": "new"})


def test_the_stub_has_the_functions_and_constants_of_the_extension():
    part = core_stub.STUB.read_text().split("class Lib:\n")[1]
    assert set(re.findall(r"^    (?:def )?(\w+)[(:]", part, re.MULTILINE)) == set(dir(lib))


def test_the_stub_needs_the_headers_alone():
    code = "import sys; sys.modules['vnic'] = None; import core_stub; print(core_stub.core(), end='')"
    made = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "tests/support", capture_output=True, text=True, timeout=60, check=True
    )
    assert made.stdout == core_stub.STUB.read_text()


@pytest.mark.slow
def test_a_type_checker_refuses_a_wrong_call_of_the_data_plane(tmp_path):
    lines = {
        "h = lib.host_new(4)": None,
        "lib.host_finish(h)": None,
        "lib.host_finish(h, 1)": "call-arg",
        "lib.host_finish()": "call-arg",
        "lib.host_finnish(h)": "attr-defined",
        "lib.host_finish(h.nic)": "arg-type",
        "h.netdev_bugdet = 1": "attr-defined",
        "lib.EV_DOEN": "attr-defined",
        "ffi.adressof(h)": "attr-defined",
    }
    program = tmp_path / "program.py"
    program.write_text("from vnic._core import ffi, lib\n" + "\n".join(lines) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    found = {int(n): code for n, code in re.findall(r"program.py:(\d+): error: .*\[([\w-]+)\]", done.stdout)}
    assert found == {n: code for n, code in enumerate(lines.values(), 2) if code}, done.stdout + done.stderr
