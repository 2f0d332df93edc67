"""vnic knobs: every row of the table, and the JSON Schema of --config beside --config itself."""

import json
import re
import tomllib

import jsonschema
import pytest
from commands import invoke
from hypothesis import given
from hypothesis import strategies as st
from knob_values import other_value

from vnic._core import lib
from vnic.cli import config_file
from vnic.cli.config_file import load
from vnic.cli.options import config_keys
from vnic.cli.replay import replay
from vnic.cli.run import run
from vnic.errors import ConfigError
from vnic.knobs import describe
from vnic.knobs.parse import Integer, fixed_off
from vnic.knobs.table import KNOBS, names_of


@pytest.fixture(scope="module")
def rows():
    return {row["knob"]: row for row in json.loads(invoke("knobs", "--json").stdout)}


def test_every_knob_is_listed_with_its_place_unit_default_range(rows):
    assert list(rows) == list(KNOBS)
    assert rows["rx-usecs"]["linux"] == "ethtool -C, -Q"
    assert rows["netdev-budget"]["linux"] == "net.core.netdev_budget"
    assert rows["rps-cpus"]["linux"] == "/sys/class/net/DEV/queues/rx-N/rps_cpus"
    assert rows["fifo"]["linux"] is None
    for name, row in rows.items():
        assert all((row["range"], row["help"]))
        assert row["live"] != bool(row["fixed"])
        if isinstance(KNOBS[name].parse, Integer):
            assert row["range"].startswith(f"{KNOBS[name].parse.low} to {KNOBS[name].parse.high}")
            assert isinstance(row["default"], int)
    assert rows["netdev-budget-usecs"]["default"] == 8000
    table = invoke("knobs", env={"COLUMNS": "200"}).stdout
    assert all(re.search(rf"^{name} .*{re.escape(str(rows[name]['default'])[:20])}", table, re.MULTILINE)
               for name in KNOBS if len(str(rows[name]["default"])) < 24)  # fmt: skip


def test_one_knob_by_any_of_its_names(rows):
    for name in ("rcvbuf", "rmem-default", "net.core.rmem_default", "rcvbuf_bytes"):
        text = invoke("knobs", name).stdout
        assert text.startswith(f"rcvbuf: {KNOBS['rcvbuf'].help}\n")
        assert "net.core.rmem_default" in text
        assert "212992" in text
    assert len(invoke("knobs", "rx-usecs", "gro", "rx_usecs").stdout.split("\n\n")) == 2
    result = invoke("knobs", "rx-usec")
    assert (result.exit_code, result.stderr) == (
        2, "vnic: there is no knob 'rx-usec'; did you mean rx-usecs or rx-usecs-irq?\n"
    )  # fmt: skip


# ---- the schema ----


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(invoke("knobs", "--schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def loads(tmp_path, text, command="replay"):
    """Does --config take this file?"""
    path = tmp_path / "c.toml"
    path.write_text(text)
    own = config_keys({"run": run, "replay": replay}[command])
    try:
        load(path, command, dict.fromkeys(own, lambda v: v))
    except ConfigError:
        return False
    return True


def toml(value):
    return json.dumps(value.hex(":") if isinstance(value, bytes) else value)


@pytest.mark.parametrize("name", sorted(KNOBS))
def test_each_knob_by_each_name_with_its_default_and_another_value(validator, tmp_path, name):
    fixed = KNOBS[name].parse is fixed_off
    for value in (KNOBS[name].default, None if fixed else other_value(name)):
        if value is None:
            continue
        for spelled in {n.replace("-", sep) for n in names_of(name) for sep in "-_"}:
            for text in (f"{spelled} = {toml(value)}\n", f"[net.core]\n{spelled} = {toml(value)}\n"):
                assert loads(tmp_path, text), text
                assert validator.is_valid(tomllib.loads(text)), text
    if KNOBS[name].place.each_queue:
        assert validator.is_valid({"queue": {"0": {name: KNOBS[name].default or 0}}})
    else:
        assert not validator.is_valid({"queue": {"0": {name: 0}}})


@pytest.mark.parametrize("name", sorted(n for n, k in KNOBS.items() if isinstance(k.parse, Integer)))
def test_a_whole_number_out_of_range_is_none_of_the_schema(validator, tmp_path, name):
    for n in (KNOBS[name].parse.low - 1, KNOBS[name].parse.high + 1):
        assert not validator.is_valid({name: n})
        assert not loads(tmp_path, f"{name} = {n}\n")
    for value in (True, 1.5, [1], "many", "5 parsecs"):
        assert not validator.is_valid({name: value}), value
        assert not loads(tmp_path, f"{name} = {json.dumps(value)}\n"), value


def test_a_table_of_queues_is_as_long_as_a_card_can_have(validator, tmp_path):
    for entries, good in ((lib.RSS_INDIR_MAX, True), (lib.RSS_INDIR_MAX + 1, False)):
        assert validator.is_valid({"rss-indir": [0] * entries}) == good
        assert loads(tmp_path, f"rss-indir = {[0] * entries}\n") == good


@pytest.mark.parametrize(
    ("text", "good"),
    [("5", True), ("5 6 7", True), (" 5\t6 ", True), ("5 parsecs", False), ("5 6 x", False), ("", False)],
)
def test_of_udp_mems_three_numbers_the_first_counts(tmp_path, text, good):
    assert loads(tmp_path, f"udp-mem = {json.dumps(text)}\n") == good


GOOD = [
    "",
    'cpus = 3\nip = ["10.0.0.2/24", "fd00::2/64"]\nrx-usecs = 50\ngro = false\nlink = "100M"\n',
    "net.core.netdev_budget = 600\n[net.ipv4]\nipfrag_time = 9\ntcp_rmem = '4096 131072 6291456'\n",
    '[queue.1]\nrps_cpus = "c"\nrx-frames = 4\n[run]\ntap = "vt3"\nrx_ring = 512\n[replay]\nrx_usecs = 7\n',
    '[replay]\nfilter = "udp"\nlimit = 5\nloop = 2\npps = 9\nfrom = 1.5\nto = "2026-11-29T20:14:53Z"\nquiet = true\n',
    'fifo = "64k"\nrcvbuf = "1M"\nrx-usecs = "2ms"\nrps-cpus = "0-3,8"\ngro = "off"\nvm.swappiness = 1\n',
    '[replay]\nat = ["wire", "gro"]\nwrite = "x.pcapng"\njson = true\n[run]\nduration = 1.5\n',
    '"net.core.rmem_max" = 5000\n[kernel]\npid_max = 1\n',
    '[fault]\nirq-lost = "nth=5"\ndma-flip = ["p=0.5", true]\n[replay.fault]\nstall = "from=1s,until=2s"\n',
    'fault = ["irq-lost:nth=5"]\n',
]
BAD = [
    "rx-usec = 5\n", "gro = 5\n", "[queue.0]\nweight = 5\n", "[queue.x]\nrx-usecs = 5\n", "replay = 5\n",
    '[queue.0]\nrps-cpu = "5"\n', "config = 1\n", "[foo]\nbar = 1\n", 'rx-usecs = "64k"\n', 'fifo = "2ms"\n',
    "lro = true\n", 'rss-xfrm = "x"\n', 'rx-flow-hash-udp = "q"\n', "gro-cwr = 5\n", "[run]\nhold = true\n",
    "[fault]\nirq-lots = true\n", "[fault]\nirq-lost = 5\n", "[fault]\nirq-lost = [[true]]\n",
    "[fault]\nirq-lost = false\n",
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_a_good_file_is_one_of_the_schema(validator, tmp_path, text):
    assert loads(tmp_path, text)
    validator.validate(tomllib.loads(text))


@pytest.mark.parametrize("text", BAD)
def test_a_wrong_file_is_none_of_the_schema(validator, tmp_path, text):
    assert not loads(tmp_path, text, "run" if "[run]" in text else "replay")
    assert not validator.is_valid(tomllib.loads(text))


NAMES = st.sampled_from([*KNOBS, "cpus", "tap", "limit", "queue", "net", "run", "replay", "vm", "x"])
KEYS = NAMES | st.sampled_from(["0", "core"])
VALUES = st.recursive(
    st.booleans() | st.integers(-5, 1 << 40) | st.sampled_from(["on", "64k", "5us", "any", "f", "", "0-3", "max"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(NAMES, VALUES, max_size=3))
def test_what_the_schema_takes_has_only_keys_that_config_takes(validator, tree):
    """A text may still be wrong in itself; a key never is."""
    if not validator.is_valid(tree):
        return
    own = dict.fromkeys(config_keys(replay) | config_keys(run), lambda v: v)
    said = ""
    try:
        config_file._read({k: v for k, v in tree.items() if k not in ("run", "replay")}, "", config_file.Config(), own)
    except ConfigError as e:
        said = str(e)
    assert "there is no knob" not in said
    assert "of the whole card" not in said


def test_each_parser_has_its_words():
    for knob in KNOBS.values():
        assert describe.allowed(knob)
        assert describe.schema(knob)["description"] == knob.help
