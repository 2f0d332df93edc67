"""Values with units, and CPUs as masks and lists: exact, by the knob's own unit, beside Linux's own parsers."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vnic
from vnic._core import lib
from vnic.errors import ConfigError
from vnic.knobs.cpus import absent
from vnic.knobs.parse import Integer
from vnic.knobs.table import KNOBS, read
from vnic.knobs.units import SIZES, TIMES, is_measured, measured
from vnic.linux.pseudofile import cpulist, cpumap

MEASURED = {name: knob for name, knob in KNOBS.items() if is_measured(knob.measure)}


def test_every_knob_whose_name_or_help_says_a_unit_has_it():
    """A new knob of bytes or time that forgets its unit would refuse 64k and 2ms."""
    words = ("usecs", "bytes", ", ns", ", ms", ", us", ", s")
    said = {n for n, k in KNOBS.items() if isinstance(k.parse, Integer) and any(w in n + k.help for w in words)}
    assert said - MEASURED.keys() == set()
    assert {"fifo", "rcvbuf", "mtu", "capture-mtu", "rx-usecs", "gro-flush-timeout", "ipfrag-time"} <= MEASURED.keys()


@given(st.sampled_from(sorted(MEASURED)), st.decimals(0, 10**7, places=3), st.data())
def test_a_unit_is_exact_or_refused(name, number, data):
    knob = KNOBS[name]
    units = TIMES if knob.measure in TIMES else SIZES
    unit = data.draw(st.sampled_from(sorted(units)))
    want = Fraction(number) * units[unit] / units[knob.measure]
    text = f"{number}{unit}"
    try:
        plain = read(name, str(want)) if want.denominator == 1 else None
    except ConfigError:
        plain = None
    if plain is None:
        with pytest.raises(ConfigError, match=f"^{name}={text}: "):
            read(name, text)
    else:
        assert read(name, text) == plain


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("fifo", "64k", 65536),
        ("rcvbuf", "1M", 1 << 20),
        ("rcvbuf", "1MiB", 1 << 20),
        ("rcvbuf", "0.5m", 1 << 19),
        ("rx-usecs", "50us", 50),
        ("rx-usecs", "2ms", 2000),
        ("rx-usecs", "2000 µs", 2000),
        ("gro-flush-timeout", "20us", 20_000),
        ("netdev-budget-usecs", "8 msecs", 8000),
        ("ipfrag-time", "1min", 60),
        ("busy-read", "50usecs", 50),
        ("mtu", "9k", 9216),
        ("link", "10G", 10**10),
    ],
)
def test_units(name, text, value):
    assert read(name, text) == value


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("rx-usecs", "64k", "is a size, and this knob is a time in us, as in 50us or 2ms"),
        ("fifo", "2ms", "is a time, and this knob is a size in bytes, as in 64k or 1M"),
        ("rx-usecs", "1500ns", "is not a whole number of us"),
        ("fifo", "0.3b", "is not a whole number of bytes"),
        ("rx-ring", "1k", "is a size, and this knob counts descriptors"),
        ("netdev-budget", "50us", "is a time, and this knob counts packets"),
        ("rx-frames", "5ms", "is a time, and this knob is a number without a unit"),
        ("rx-usecs", "5 parsecs", "must be a whole number"),
        ("rx-usecs", "1h", "must be between 0 and 100000"),
        ("rcvbuf", "9" * 40 + "g", "must be between"),
        ("rcvbuf", "9" * 5000 + "g", "must be a whole number"),
    ],
)
def test_a_unit_that_does_not_fit_is_one_sentence(name, text, why):
    with pytest.raises(ConfigError, match=why) as e:
        read(name, text)
    assert "\n" not in str(e.value)


def test_a_host_takes_units_and_lists_everywhere(host):
    h = host(fifo="128k", rx_usecs="50us", rps_cpus="0-1,3", each_queue={"0": {"rx-usecs": "1ms"}})
    assert (h.knobs.fifo, h.knobs.rps_cpus, h.knobs.queue(0)["rx-usecs"]) == (131072, 0b1011, 1000)
    h.knobs.update({"rcvbuf": "1M", "rx-usecs": "2ms"})
    assert (h.knobs.rcvbuf, h.knobs.rx_usecs) == (1 << 20, 2000)
    h.knobs.queue(0)["rps-cpus"] = "2-3"
    assert h.knobs.queue(0)["rps-cpus"] == 0b1100
    assert measured("64", "bytes") is None


def test_a_file_of_sys_still_takes_what_linux_takes(host):
    """echo 50us > gro_flush_timeout is EINVAL in Linux."""
    from vnic.linux import sysctl_rows, sysfs

    h = host()
    for put in (
        lambda: sysfs.DEVICE["gro_flush_timeout"].write(h, "50us"),
        lambda: sysctl_rows.SYSCTLS["net.core.rmem_max"].write(h, "1M"),
        lambda: sysfs.queue_files(0)["queues/rx-0/rps_cpus"].write(h, "0-3"),
    ):
        with pytest.raises(OSError):
            put()


# ---- CPUs ----

MASKS = st.integers(0, (1 << lib.CPUS_MAX) - 1)


@given(MASKS)
def test_a_mask_is_read_as_the_kernel_prints_it(mask):
    assert read("rps-cpus", cpumap(mask, lib.CPUS_MAX)) == mask
    assert read("rps-cpus", f"{mask:x}") == mask
    assert read("rps-cpus", mask) == mask


@given(MASKS.filter(lambda m: m.bit_count() > 1))
def test_a_list_is_read_as_the_kernel_prints_it(mask):
    assert read("rps-cpus", cpulist(mask)) == mask


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("8", 1 << 3),
        ("10", 1 << 4),
        ("0x10", 1 << 4),
        ("8,", 1 << 8),
        ("8-8", 1 << 8),
        ("0,2", 0b101),
        ("10,12", 1 << 10 | 1 << 12),
        ("0-3,8", 0x10F),
        ("0-7:1/2", 0x55),
        ("00000000,ffffffff", 0xFFFFFFFF),
        ("1,00000002", 1 << 32 | 2),
        (" f ", 0xF),
    ],
)
def test_mask_or_list(text, mask):
    assert read("rps-cpus", text) == mask


@pytest.mark.parametrize("text", ["", "g", "-f", "-1", ",", "0-", "3-1", "a-b", "0x1-2", "1;2", "٣-٤", "0," * 5000])
def test_what_is_neither(text):
    with pytest.raises(ConfigError, match=r"^rps-cpus=.*must be a hexadecimal mask"):
        read("rps-cpus", text)


def test_a_cpu_that_no_host_can_have():
    with pytest.raises(ConfigError, match=f"the last CPU that a host can have is {lib.CPUS_MAX - 1}"):
        read("rps-cpus", f"0-{lib.CPUS_MAX}")
    assert absent(0xFF, 4) == "4-7"
    assert absent(0b1001_0001, 4) == "4,7"
    assert absent(0xF, 4) == ""


def test_other_names_of_sysctl_and_ethtool():
    for name, knob in {"net.core.rmem_default": "rcvbuf", "ring": "rx-ring", "combined": "queues"}.items():
        assert read(name) == read(knob)
    with vnic.Host(ring=512, combined=2, rmem_default="1M") as h:
        assert (h.knobs.rx_ring, h.knobs.queues, h.knobs.rcvbuf) == (512, 2, 1 << 20)
