"""docs/json.md names every key that a report has, and no key that none has."""

import re

import pytest
from paths import ROOT

import vnic
from vnic.capture import Capture
from vnic.runs.replay import facts as facts_of
from vnic.why.load import Cure, Load

PAGE = (ROOT / "docs/json.md").read_text()
NAMES = {"config", "mib", "fates", "ended", "lost", "ring_max", "backlog_max", "set", "enough", "helps", "best_with",
         "only_now", "in_flight_at"}  # fmt: skip
"""Their own keys are names of knobs, counters, fates, queues or places."""
STAGES = {"latency_ns", "latency_histograms"}


def keys(value):
    if isinstance(value, list):
        for item in value:
            yield from keys(item)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            if name not in NAMES:
                yield from keys(inner)


@pytest.fixture
def every_key(facts, tmp_path):
    with vnic.Host(ip="10.0.0.2/24", faults=["dma-flip"]) as host:
        capture = Capture(host, tmp_path / "a.pcapng")
        live = facts_of(host, schema="vnic.run/2", input_facts={}) | {"capture": capture.finish()}
    more = {field for kind in (Load, Cure) for field in kind.__dataclass_fields__} | {"lasts", "set"}
    return (set(keys(facts)) | set(keys(live)) | more) - {"settings"}


def test_every_key_is_on_the_page(every_key):
    told = set(re.findall(r"`([^`\s]+)`", PAGE))
    assert every_key - told == set()


def test_every_name_of_a_column_on_the_page_is_a_key(every_key):
    live = {
        "device",
        "netns",
        "lanes",
        "reads",
        "vnet_hdr",
        "csum_filled",
        "bad_vnet",
        "pin",
        "kernel_drops",
        "lent_bursts",
        "back_ends",
        "refused",
        "bad_used",
        "too_long",
        "unsent",
    }
    rare = {
        "selected",
        "each_queue",
        "linktype",
        "name",
        "carried",
        "aliens",
        "ip",
        "mac",
        "state",
        "queued_bytes",
        "router",
        "rx_frames",
        "fate",
        "events",
    }
    columns = re.findall(r"^\| ((?:`[^`]+`(?:, )?)+)(?: in it)? \|", PAGE, re.MULTILINE)
    named = {name for column in columns for name in re.findall(r"`([^`]+)`", column)}
    runs = {"vnic.replay/2", "vnic.run/2", "vnic.replay/1", "vnic.run/1"}
    assert named - every_key - live - rare == runs | {"vnic.diff/1", "vnic.sweep/1", "vnic.walk/1"}


def test_the_modules_that_describe_other_schemas_do():
    rows = re.findall(r"^\| `(vnic\.[a-z]+/\d+)` \| .* \| \[.*\]\((.*)\) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 3
    for schema, module in rows:
        assert schema in (ROOT / "docs" / module).read_text()
