"""Knobs: bounds, spellings, and what a person is told about a value that cannot be."""

import pytest
from knob_values import other_value

import vnic
from vnic._core import lib
from vnic.errors import ConfigError
from vnic.knobs import fields as places
from vnic.knobs import parse as values
from vnic.knobs import table as knobs

INTEGERS = [
    # name, lowest, highest, where it is in struct host
    ("queues", 1, 128, "nic.nqueues"),
    ("rx-ring", 16, 16384, "nic.ring_size"),
    ("rx-buf-len", 128, 65536, "nic.buf_len"),
    ("rx-pool", 64, 1 << 20, "rx_pool_size"),
    ("fifo", 60, 1 << 28, "nic.fifo.size"),
    ("mtu", 0, 65535, "nic.mtu"),
    ("rx-usecs", 0, 100_000, "nic.queue.irq.rx_usecs"),
    ("rx-frames", 0, 65535, "nic.queue.irq.rx_frames"),
    ("rx-usecs-irq", 0, 100_000, "nic.queue.irq.rx_usecs_irq"),
    ("rx-frames-irq", 0, 65535, "nic.queue.irq.rx_frames_irq"),
    ("hz", 100, 1000, "hz"),
    ("weight", 1, 1024, "weight"),
    ("dev-weight", 1, 1024, "dev_weight"),
    ("netdev-budget", 1, 1 << 20, "netdev_budget"),
    ("netdev-budget-usecs", 1, 10_000_000, "netdev_budget_usecs"),
    ("netdev-max-backlog", 0, 1 << 20, "netdev_max_backlog"),
    ("gro-max-size", 0, 524_280, "gro_max_size"),
    ("gro-ipv4-max-size", 0, 524_280, "gro_ipv4_max_size"),
    ("gro-flows", 0, 1 << 20, "gro_flows"),
    ("gro-normal-batch", 1, 1024, "gro_normal_batch"),
    ("gro-flush-timeout", 0, 1 << 40, "napi_config.gro_flush_timeout"),
    ("irq-suspend-timeout", 0, 1 << 40, "napi_config.irq_suspend_timeout"),
    ("napi-defer-hard-irqs", 0, 1 << 20, "napi_config.defer_hard_irqs"),
    ("rps-flow-cnt", 0, 1 << 20, "rps_flow_cnt"),
    ("rps-sock-flow-entries", 0, 1 << 24, "rps_sock_flow_entries"),
    ("flow-limit-table-len", 1, 65536, "flow_limit_table_len"),
    ("busy-read", 0, 1_000_000, "busy_read"),
    ("busy-poll-budget", 1, 1024, "busy_poll_budget"),
    ("ipfrag-high-thresh", 0, 1 << 28, "ip_frags.high_thresh"),
    ("ipfrag-max-dist", 0, 1 << 30, "ip_frags.max_dist"),
    ("ip6frag-high-thresh", 0, 1 << 28, "ip6_frags.high_thresh"),
    ("rcvbuf", 0, 1 << 30, "rcvbuf"),
    ("rmem-max", 2304, (1 << 31) - 1, "rmem_max"),
    ("udp-mem", 0, (1 << 32) - 1, "udp_mem"),
    ("sockets", 16, 1 << 20, "sock_max"),
    ("icmp-ratelimit", 0, 1_000_000, "icmp.ratelimit_ms"),
    ("icmp-msgs-per-sec", 0, 1 << 30, "icmp.msgs_per_sec"),
    ("icmp-msgs-burst", 0, 1 << 30, "icmp.msgs_burst"),
]
FLAGS = [
    ("promisc", False, "nic.filter.promisc"),
    ("allmulti", None, "nic.filter.allmulti"),
    ("rx-vlan-filter", False, "nic.filter.vlan_filter"),
    ("rx", True, "nic.rx_csum"),
    ("tx", True, "nic.tx_csum"),
    ("adaptive-rx", False, "nic.adaptive_rx"),
    ("rxhash", True, "nic.rss.enabled"),
    ("drop-en", False, "nic.drop_en"),
    ("gro", True, "gro"),
    ("ntuple", False, "nic.ntuple"),
    ("prefer-busy-poll", False, "prefer_busy_poll"),
    ("rx-udp-gro-forwarding", False, "gro_udp_fwd"),
    ("rx-gro-list", False, "gro_list"),
    ("strict-csum", False, None),
]
FIXED = {"lro", "rx-gro-hw", "rx-vlan-offload"}


class Machine:
    """A struct host whose knobs can be set without a machine being started."""

    def __init__(self, cpus=4):
        self.c = lib.host_new(cpus)
        self.wire = vnic.MemoryWire()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        lib.host_free(self.c)
        self.wire.close()

    def apply(self, **given):
        return knobs.apply(self.c, self.wire.c, given)

    def set(self, name, value):
        return knobs.apply(self.c, self.wire.c, {name: value})

    def at(self, path):
        value = self.c
        for part in path.split("."):
            value = getattr(value, part)
            value = value[0] if part in ("queue", "napi_config") else value
        return value


@pytest.fixture
def machine():
    with Machine() as m:
        yield m


WHOLE_NUMBERS = [name for name, knob in knobs.KNOBS.items() if isinstance(knob.parse, values.Integer)]


@pytest.mark.parametrize("name", WHOLE_NUMBERS)
def test_a_whole_number_takes_its_bounds_and_nothing_outside(machine, name):
    """Every row of the table. The bounds of INTEGERS are Linux's, or the card's, and written there once more."""
    both = {"rx-usecs": {"rx-frames": 1}, "rx-frames": {"rx-usecs": 1}}.get(name, {})
    low, high = knobs.KNOBS[name].parse.low, knobs.KNOBS[name].parse.high
    for value in (low, high):
        knobs.apply(machine.c, machine.wire.c, {name: value} | both)
        assert knobs.KNOBS[name].place.get(machine.c, machine.wire.c, None) == value
    for value in (low - 1, high + 1):
        with pytest.raises(ConfigError, match=f"^{name}={value}: must be between {low} and {high}$"):
            machine.set(name, value)


OF_A_RUN = {"link", "speed", "capture-mtu", "cost"}


@pytest.mark.parametrize("name", [n for n, k in knobs.KNOBS.items() if k.default is not None and n not in OF_A_RUN])
def test_a_host_made_by_plain_c_has_the_tables_default(machine, name):
    """The programs in tests/c have no table. What paces a run they set themselves."""
    knob = knobs.KNOBS[name]
    assert knob.place.get(machine.c, machine.wire.c, None) == knob.parse(knob.default)


def test_every_knob_has_a_line_of_help_and_another_value():
    assert all(knob.help for knob in knobs.KNOBS.values())
    for name in knobs.KNOBS.keys() - FIXED:
        assert other_value(name) is not None


@pytest.mark.parametrize(("name", "low", "high", "path"), INTEGERS)
def test_bounds_of_an_integer(machine, name, low, high, path):
    both = {"rx-usecs": {"rx-frames": 1}, "rx-frames": {"rx-usecs": 1}}.get(name, {})
    for value in (low, high, str(high), hex(high)):
        knobs.apply(machine.c, machine.wire.c, {name: value} | both)
        assert machine.at(path) == int(str(value), 0)
    for value in (low - 1, high + 1, str(high + 1)):
        with pytest.raises(ConfigError, match=f"^{name}={value}: must be between {low} and {high}$"):
            machine.set(name, value)
    for value in ("", "many", "1.5", 1.5, b"\x01"):
        with pytest.raises(ConfigError, match="must be a whole number"):
            machine.set(name, value)


def test_threaded_has_three_modes(machine):
    for value in ("busy-poll", "Busy-Poll"):
        machine.set("threaded", value)
        assert [machine.c.napi_config[q].threaded for q in (0, 1, 127)] == [2, 2, 2]
    for value, mode in (("on", 1), ("off", 0), (True, 1), ("0", 0)):
        machine.set("threaded", value)
        assert machine.at("napi_config.threaded") == mode
    for value in ("2", 2, "busy", ""):
        with pytest.raises(ConfigError, match=f"^threaded={value}.*: must be off, on or busy-poll$"):
            machine.set("threaded", value)


@pytest.mark.parametrize(("name", "default", "path"), FLAGS)
def test_a_flag_as_text(machine, name, default, path):
    def read():
        return machine.wire.c.strict_csum if path is None else machine.at(path)

    for value in (True, "on", "yes", "true", "1", "ON", 1):
        machine.set(name, value)
        assert read() == 1
    for value in (False, "off", "no", "false", "0", "Off", 0):
        machine.set(name, value)
        assert read() == 0
    with pytest.raises(ConfigError, match=f"^{name}=maybe: must be on or off$"):
        machine.set(name, "maybe")
    if default is not None:
        machine.apply()
        assert read() == default


@pytest.mark.parametrize("name", [*sorted(FIXED), "rxvlan", "large-receive-offload", "rx-vlan-hw-parse"])
def test_what_the_card_has_not_can_only_be_off(machine, name):
    assert machine.set(name, "off")[knobs.canonical(name)] is False
    with pytest.raises(ConfigError, match=r"=on: off \[fixed\]: this card cannot$"):
        machine.set(name, "on")


def test_defaults_are_linuxs(machine):
    effective = machine.apply()
    assert (effective["netdev-budget"], effective["weight"]) == (300, 64)
    assert (effective["netdev-max-backlog"], effective["hz"]) == (1000, 250)
    assert (effective["rcvbuf"], effective["gro-normal-batch"]) == (212_992, 8)
    assert (effective["rx-usecs"], effective["rx-frames"]) == (0, 1)


def test_the_time_limit_is_two_jiffies(host):
    assert host(hz=250).machine.c.netdev_budget_usecs == 8000
    assert host(hz=1000).machine.c.netdev_budget_usecs == 2000
    assert host(hz=100, netdev_budget_usecs=123).machine.c.netdev_budget_usecs == 123


@pytest.mark.parametrize("name", ["rx-ring", "tx-ring"])
@pytest.mark.parametrize("value", [100, 4095, 8160, 16384])
def test_a_ring_has_any_number_of_descriptors(machine, name, value):
    assert machine.set(name, value)[name] == value


def test_moderation_that_would_never_interrupt_is_refused(machine):
    with pytest.raises(ConfigError, match="there would never be an interrupt"):
        machine.apply(rx_usecs=0, rx_frames=0)
    machine.apply(rx_usecs=1, rx_frames=0)
    machine.apply(rx_usecs=0, rx_frames=1)


# ---- names ----


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("netdev_budget", "netdev-budget"),
        ("netdev-budget", "netdev-budget"),
        ("NETDEV_BUDGET", "netdev-budget"),
        ("net.core.netdev_budget", "netdev-budget"),
        ("net.core.dev_weight", "dev-weight"),
        ("rx-checksumming", "rx"),
        ("rx_checksum", "rx"),
        ("receive-hashing", "rxhash"),
        ("rx-hashing", "rxhash"),
        ("generic-receive-offload", "gro"),
        ("rx-gro", "gro"),
    ],
)
def test_a_knobs_name_in_every_spelling(spelling, name):
    assert knobs.canonical(spelling) == name


def test_every_alias_leads_to_a_knob():
    assert set(knobs.ALIASES.values()) <= set(knobs.KNOBS)
    assert not set(knobs.ALIASES) & set(knobs.KNOBS)


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("netdev_bugdet", "netdev-budget"),
        ("rxring", "rx-ring"),
        ("rx_usec", "rx-usecs"),
        ("rcv_buf", "rcvbuf"),
        ("max_backlog", "netdev-max-backlog"),
    ],
)
def test_a_typo_gets_a_hint(typo, meant):
    with pytest.raises(ConfigError, match=f"there is no knob '{typo}'; did you mean .*{meant}"):
        knobs.canonical(typo)


def test_nonsense_gets_no_hint(machine):
    with pytest.raises(ConfigError, match=r"^there is no knob 'xyzzy'$"):
        machine.apply(xyzzy=1)


def test_none_is_the_default_but_of_a_knob_that_exists(machine):
    assert machine.apply(weight=None)["weight"] == 64
    with pytest.raises(ConfigError, match="no knob"):
        machine.apply(xyzzy=None)


def test_a_host_that_cannot_be_is_a_config_error_too():
    for knob in ({"cpus": 0}, {"cpus": 513}, {"ip": "10.0.0"}, {"ip": ["10.0.0.1"] * 17}):
        with pytest.raises(ConfigError):
            vnic.Host(**knob)


# ---- those with a language of their own ----


@pytest.mark.parametrize(
    ("text", "mac"),
    [
        ("02:00:00:00:00:01", b"\x02\0\0\0\0\1"),
        ("02-AB-cd-00-00-01", b"\x02\xab\xcd\0\0\1"),
        ("any", None),
        ("ANY", None),
        (None, None),
    ],
)
def test_the_mac_in_every_spelling(text, mac):
    assert values.parse_mac(text) == mac


@pytest.mark.parametrize(
    "text", ["", "02:00:00:00:00", "02:00:00:00:00:00:01", "02:00:00:00:00:xx", "02:00:00:00:00:100"]
)
def test_what_is_no_mac(machine, text):
    with pytest.raises(ConfigError, match="must be any, or six hexadecimal bytes"):
        machine.set("mac", text)


def test_a_card_has_no_multicast_address(machine):
    with pytest.raises(ConfigError, match="is a multicast address"):
        machine.set("mac", "01:00:5e:00:00:01")


@pytest.mark.parametrize(
    ("text", "bps"),
    [
        ("10G", 10_000_000_000),
        ("2.5g", 2_500_000_000),
        ("100M", 100_000_000),
        ("1000000", 1_000_000),
        ("4000G", 4_000_000_000_000),
        ("10Gbit/s", 10_000_000_000),
        ("40Gbps", 40_000_000_000),
        ("inf", 0),
    ],
)
def test_the_speed_of_the_link_as_text(machine, text, bps):
    assert values.parse_link(text) == bps
    machine.set("link", text)
    assert machine.wire.c.ps_per_byte == (round(8e12 / bps) if bps else 0)


@pytest.mark.parametrize("text", ["", "G", "fast", "999999", "4001G", "-1G", "0", "nan", "infG", "1e999"])
def test_what_is_no_link(machine, text):
    with pytest.raises(ConfigError, match=r"link=.*must be"):
        machine.set("link", text)


@pytest.mark.parametrize(
    ("text", "ppm"), [("1", 1_000_000), ("0.5", 500_000), (2, 2_000_000), ("max", 0), ("0.000001", 1)]
)
def test_the_speed_of_a_run_as_text(machine, text, ppm):
    machine.set("speed", text)
    assert machine.wire.c.speed_ppm == ppm


@pytest.mark.parametrize("text", ["", "quick", "0", "-1", "4001", "nan", "inf"])
def test_what_is_no_speed(machine, text):
    with pytest.raises(ConfigError, match=r"speed=.*must be"):
        machine.set("speed", text)


@pytest.mark.parametrize(
    ("mask", "cpus"),
    [("f", [0, 1, 2, 3]), ("00000000,0000000a", [1, 3]), (5, [0, 2]), ("0", []), ("f0", [])],
)
def test_rps_cpus_is_a_mask_as_in_sysfs(machine, mask, cpus):
    machine.set("rps-cpus", mask)
    for queue in range(lib.NIC_QUEUES_MAX):
        assert [machine.c.rps_map[queue][i] for i in range(machine.c.rps_len[queue])] == cpus


@pytest.mark.parametrize("mask", ["", "g", -1, "-f", "3-0"])
def test_what_is_no_mask(machine, mask):
    with pytest.raises(ConfigError, match=r"rps-cpus=.*must be a hexadecimal mask"):
        machine.set("rps-cpus", mask)


def test_reader_cpu(machine):
    machine.set("reader-cpu", 3)
    assert machine.c.reader_cpu == 3
    machine.set("reader-cpu", "any")
    assert machine.c.reader_cpu == 0xFFFFFFFF
    with pytest.raises(ConfigError, match="there is no CPU 4: the host has 4"):
        machine.set("reader-cpu", 4)
    with pytest.raises(ConfigError, match="must be between 0 and 511"):
        machine.set("reader-cpu", 512)


@pytest.mark.parametrize("key", [bytes(range(40)), bytes(range(52)), "6d5a" * 20, ":".join(["ab"] * 40)])
def test_rss_key(machine, key):
    machine.set("rss-key", key)
    expected = key if isinstance(key, bytes) else bytes.fromhex(key.replace(":", ""))
    assert bytes(machine.c.nic.rss.key)[: len(expected)] == expected


@pytest.mark.parametrize("key", ["", "6d5a", "xy" * 40, bytes(41)])
def test_what_is_no_rss_key(machine, key):
    with pytest.raises(ConfigError, match="must be 40 or 52 hexadecimal bytes"):
        machine.set("rss-key", key)


def test_a_knob_of_words_takes_those(machine):
    machine.apply(cost="zero", rx_flow_hash_udp="sd")
    ports = lib.RSS_L4_SRC | lib.RSS_L4_DST
    assert list(machine.c.nic.rss.left_out) == [0, 0, 0, ports, 0, 0, ports]
    assert sum(machine.c.cost) == 0
    machine.apply(cost="linux", rx_flow_hash_udp="sdfn")
    assert not any(machine.c.nic.rss.left_out)
    assert machine.c.cost[lib.COST_RX] == 120
    with pytest.raises(ConfigError, match="must be one of linux, zero"):
        machine.apply(cost="windows")
    with pytest.raises(ConfigError, match="must be sd"):
        machine.apply(rx_flow_hash_udp="x")


def test_each_type_of_flow_has_fields_of_its_own(machine):
    machine.apply(rx_flow_hash_udp="sd", rx_flow_hash_udp6="nfds", rx_flow_hash_tcp4="ds")
    read = {t: knobs.KNOBS[f"rx-flow-hash-{t}"].place.get(machine.c, None, None) for t in places.FLOW_TYPES}
    assert read == {"tcp4": "sd", "udp4": "sd", "tcp6": "sdfn", "udp6": "sdfn"}
    for bad in ("", "x", "sdx"):
        with pytest.raises(ConfigError, match="must be sd"):
            machine.set("rx-flow-hash-tcp6", bad)


def test_a_symmetric_hash_has_a_source_and_a_destination(machine):
    with pytest.raises(ConfigError, match="udp4 flows hash a source without its destination"):
        machine.apply(rss_xfrm="symmetric-xor", rx_flow_hash_udp4="sdf")
    machine.apply(rss_xfrm="symmetric-xor", rx_flow_hash_udp4="sd", rx_flow_hash_tcp4="fn")
    with pytest.raises(ConfigError, match="a symmetric hash takes source and destination, or neither"):
        machine.set("rx-flow-hash-udp4", "sdf")
    with pytest.raises(ConfigError, match="must be none or symmetric-xor"):
        machine.apply(rss_xfrm="xor")


@pytest.mark.parametrize("table", [[0, 2], (0, 2), "0 2", "0,2", "0, 2", ["0", "0x2"], [0, 2] * 64])
def test_an_indirection_table(machine, table):
    machine.apply(queues=3, rss_indir=table)
    assert list(machine.c.nic.rss.indir[0:128]) == [0, 2] * 64
    assert machine.c.nic.rss.indir_mask == 127


@pytest.mark.parametrize("table", ["", [], [128], [-1], "a", [0] * 2049, 7, [1.5]])
def test_what_is_no_indirection_table(machine, table):
    with pytest.raises(ConfigError, match="must be default, or 1 to 2048 queues, each between 0 and 127"):
        machine.apply(queues=3, rss_indir=table)


def test_an_indirection_table_has_queues_that_there_are(machine):
    with pytest.raises(ConfigError, match="there is no queue 3: the card has 3"):
        machine.apply(queues=3, rss_indir=[0, 3])


def test_queues_share_the_indirection_table(machine):
    machine.set("queues", 3)
    assert list(machine.c.nic.rss.indir[0 : lib.RSS_INDIR_SIZE]) == [i % 3 for i in range(lib.RSS_INDIR_SIZE)]


def test_a_seed_makes_a_key_and_another_seed_another():
    assert knobs.siphash_key(1) == knobs.siphash_key(1)
    assert knobs.siphash_key(1) != knobs.siphash_key(2)
