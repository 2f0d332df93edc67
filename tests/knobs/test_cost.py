"""Cost profiles: names, files, mappings; what a figure is that nobody gave; what is wrong, in one sentence."""

import tomllib

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st
from paths import ROOT

import vnic
from vnic._core import lib
from vnic.cli.commands import main
from vnic.errors import ConfigError
from vnic.knobs import cost, cost_file
from vnic.knobs.cost import KEYS, LINUX, MOST, NAMES, Figure, Profile, profile, shipped, text_of
from vnic.knobs.table import read

FOLLOWED = {key: about.follows for key, about in KEYS.items() if about.follows}
NUMBERS = st.integers(0, MOST)
FIGURES = st.dictionaries(st.sampled_from(sorted(KEYS)), NUMBERS)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def figure(draw):
    low, value, high = sorted(draw(st.lists(NUMBERS, min_size=3, max_size=3)))
    return Figure(value, draw(TEXTS), draw(st.sampled_from([None, (low, high)])))


PROFILES = st.builds(
    Profile,
    name=st.just("mine.toml"),
    what=TEXTS,
    base=st.sampled_from([shipped(name) for name in cost.names()]),
    own=st.dictionaries(st.sampled_from(sorted(KEYS)), figure()),
    measured=st.dictionaries(TEXTS, TEXTS | st.lists(TEXTS, max_size=3), max_size=3),
)


def charged(**knobs):
    with vnic.Host(cpus=1, fifo=1024, **knobs) as host:
        return {name: int(host.machine.c.cost[i]) for i, name in enumerate(NAMES)}


# ---- the keys ----


def test_the_keys_are_the_costs_of_the_data_plane_in_its_order():
    assert [cost.key_of(name) for name in NAMES] == list(KEYS)
    assert len(KEYS) == lib.COST_MAX


def test_a_figure_per_byte_has_that_unit_and_no_other_has():
    assert {key for key, about in KEYS.items() if about.unit == "ps/byte"} == {k for k in KEYS if k.endswith("-ps")}


def test_a_key_follows_one_that_stands_before_it_and_has_its_unit():
    keys = list(KEYS)
    for key, followed in FOLLOWED.items():
        assert keys.index(followed) < keys.index(key)
        assert KEYS[key].unit == KEYS[followed].unit


# ---- profiles that vnic has ----


def test_linux_has_these_figures_in_this_order():
    """Results of other tests hang on them, and random machines draw in this order."""
    assert LINUX == {
        "DMA": 20, "DMA_PS": 140, "HARDIRQ": 800, "SOFTIRQ": 150, "POLL": 200, "RX": 120, "RX_BUF": 30, "GRO": 35,
        "RECEIVE": 50, "RPS": 60, "IPI": 300, "BACKLOG": 40, "IP": 60, "UDP": 90, "TCP": 180, "CSUM_PS": 100,
        "SOCK": 70, "WAKE": 700, "SWITCH": 1200, "RECV": 350, "COPY_PS": 120, "OUTPUT": 300,
    }  # fmt: skip
    assert list(LINUX) == [
        *("DMA", "DMA_PS", "HARDIRQ", "SOFTIRQ", "POLL", "RX", "RX_BUF", "GRO", "RECEIVE", "RPS", "IPI", "BACKLOG"),
        *("IP", "UDP", "TCP", "CSUM_PS", "SOCK", "WAKE", "SWITCH", "RECV", "COPY_PS", "OUTPUT"),
    ]


@pytest.mark.parametrize("name", cost.names())
def test_a_profile_of_ours_says_what_it_is_and_where_each_figure_is_from(name):
    found = shipped(name)
    assert found.what
    assert [key for key, own in found.own.items() if not own.source] == []


def test_kinds_that_linux_does_not_have_cost_what_the_general_one_does():
    figures = charged(cost="linux")
    assert figures["HARDIRQ_IPI"] == figures["HARDIRQ"] == 800
    assert figures["WAKE_REMOTE"] == figures["WAKE"] == 700
    assert {figures[f"SWITCH_IDLE{more}"] for more in ("", "_100US", "_1MS")} == {figures["SWITCH"]}
    assert (figures["RECV_REMOTE"], figures["COPY_REMOTE_PS"]) == (figures["RECV"], figures["COPY_PS"])
    assert figures["IPI_DELIVERY"] == figures["IPI"]
    assert (figures["FIRST_PACKET"], figures["TICK"]) == (0, 0)


def test_zero_charges_nothing():
    assert not any(charged(cost="zero").values())


@pytest.mark.parametrize(("column", "name"), [(2, "linux"), (3, "kvm-guest-6.18")])
def test_the_page_has_the_figures_of_the_profiles(column, name):
    page = (ROOT / "docs/costs.md").read_text().split("\n## The profiles\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| ")]
    shown = {row[0]: (row[1], row[column]) for row in rows[1:]}
    found = shipped(name).figures()
    assert shown == {key: (KEYS[key].unit, str(figure.value)) for key, (figure, _) in found.items()}


# ---- a caller's own ----


def test_a_mapping_changes_some_figures_of_linux():
    figures = charged(cost={"hardirq": 6500, "RECV": 9, "copy_ps": 3})
    assert (figures["HARDIRQ"], figures["RECV"], figures["COPY_PS"], figures["RX"]) == (6500, 9, 3, 120)
    assert (figures["HARDIRQ_IPI"], figures["RECV_REMOTE"]) == (6500, 9)


def test_a_mapping_may_have_the_shape_of_a_file_and_another_base():
    assert charged(cost={"based-on": "zero", "recv": 9}) == charged(cost={"based-on": "zero", "cost": {"recv": 9}})
    assert sum(charged(cost={"based-on": "zero", "rx": 9}).values()) == 9


def test_a_file_on_top_of_a_file(tmp_path):
    (tmp_path / "below.toml").write_text('based-on = "zero"\n[cost]\nhardirq = 7\nhardirq-ipi = 5\nrx = 1\n')
    top = tmp_path / "top.toml"
    top.write_text('based-on = "below.toml"\n[cost.rx]\nvalue = 2\nunit = "ns"\nspread = [1, 3]\nsource = "a guess"\n')
    figures = charged(cost=str(top))
    assert (figures["HARDIRQ"], figures["HARDIRQ_IPI"], figures["RX"], sum(figures.values())) == (7, 5, 2, 14)
    found = profile(top)
    assert found.figures()["rx"] == (Figure(2, "a guess", (1, 3)), "top.toml")
    assert found.figures()["hardirq"][1] == "below.toml"
    again = profile(tomllib.loads(cost_file.write(found)))  # the files are one now
    assert (again.values(), again.base.name) == (found.values(), "zero")


def test_a_report_repeats_what_was_given_and_a_rerun_takes_it():
    with vnic.Host(cpus=1, fifo=1024, cost={"hardirq": 6500}) as host:
        shown = host.config["cost"]
        assert host.knobs.cost == "{'hardirq': 6500}"
    assert charged(cost=shown)["HARDIRQ"] == 6500


def test_the_knob_shows_the_name_of_the_profile_whose_figures_it_has(tmp_path):
    (tmp_path / "same.toml").write_text('based-on = "zero"\n')
    with vnic.Host(cpus=1, fifo=1024, cost=tmp_path / "same.toml") as host:
        assert host.knobs.cost == "zero"


def test_a_live_host_refuses_costs_of_a_mapping_too():
    with pytest.raises(ConfigError, match="costs are for virtual time"):
        vnic.Host(live=True, cost={"rx": 1})


# ---- laws ----


@given(PROFILES)
def test_a_profile_that_is_written_is_read_back_as_it_was(wanted):
    found = profile(tomllib.loads(cost_file.write(wanted)))
    assert (found.what, found.measured, found.own) == (wanted.what, wanted.measured, wanted.own)
    assert found.base == wanted.base
    assert found.values() == wanted.values()


@given(st.sampled_from(cost.names()), FIGURES)
def test_a_figure_is_its_own_or_that_of_the_key_it_follows_or_the_base_s(base, own):
    figures = {key: found.value for key, (found, _) in profile({"based-on": base, **own}).figures().items()}
    below = shipped(base).given()
    for key in KEYS:
        usual = below[key][0].value if key in below else figures[FOLLOWED[key]] if key in FOLLOWED else 0
        assert figures[key] == own.get(key, usual)


@given(st.lists(NUMBERS | st.sampled_from([0, 800]), min_size=len(KEYS), max_size=len(KEYS)))
@example(shipped("linux").values())
@example([0] * len(KEYS))
def test_any_figures_have_a_text_that_is_read_as_them(values):
    text = text_of(values)
    assert profile(text).values() == values
    assert read("cost", text) == text


@given(FIGURES)
def test_what_a_host_charges_is_the_profile(own):
    with vnic.Host(cpus=1, fifo=1024, cost=own) as host:
        assert list(host.machine.c.cost) == profile(own).values()


# ---- what is wrong ----

WRONG = {
    "": "has no [cost] table, so it is not a cost profile",
    "cost = 5": "cost=5: must be a table of figures",
    "[cost]\nhardrq = 1": "there is no cost 'hardrq'; did you mean hardirq",
    "hardirq = 1\n[cost]": "hardirq: must be one of what, based-on, measured, cost; a figure belongs into the table",
    "[cost]\nrx = -1": "rx=-1: must be a whole number of ns between 0 and 1000000000",
    "[cost]\nrx = 1.5": "rx=1.5: must be a whole number of ns",
    "[cost]\nrx = true": "rx=True: must be a whole number of ns",
    "[cost]\nrx = 1000000001": "rx=1000000001: must be a whole number of ns between 0 and 1000000000",
    "[cost]\ncopy-ps = '9'": "copy-ps=9: must be a whole number of ps/byte",
    "[cost]\nrx = 1\nRX = 2": "RX: is given twice",
    "[cost.rx]\nunit = 'ns'": "rx: has no value",
    "[cost.rx]\nvalue = 1\nunit = 'us'": "rx.unit=us: must be ns",
    "[cost.copy-ps]\nvalue = 1\nunit = 'ns'": "copy-ps.unit=ns: must be ps/byte",
    "[cost.rx]\nvalue = 1\nsauce = 'x'": "rx.sauce: must be one of value, unit, spread, source",
    "[cost.rx]\nvalue = 1\nsource = 7": "rx.source=7: must be text",
    "[cost.rx]\nvalue = 1\nspread = 7": "rx.spread=7: must be two numbers, low and high",
    "[cost.rx]\nvalue = 1\nspread = [1]": "rx.spread=[1]: must be two numbers",
    "[cost.rx]\nvalue = 1\nspread = [9, 2]": "rx.spread=[9, 2]: the low one is above the high one",
    "[cost.rx]\nvalue = 1\nspread = [-1, 2]": "rx.spread=-1: must be a whole number",
    "based-on = 7": "based-on=7: must be one of linux, zero",
    "based-on = 'windows'": "based-on=windows: must be one of linux, zero",
    "based-on = 'no.toml'": "based-on=no.toml: No such file or directory",
    "based-on = 'x.toml'": "more than 8 profiles are based on each other",
    "measured = 1\n[cost]": "measured=1: must be a table",
    "[cost]\n[measured]\ndate = 2026-11-29": "measured.date=2026-11-29: must be text",
    "[cost]\n[measured]\nstate = [1]": "measured.state=1: must be text",
    "what = 1\n[cost]": "what=1: must be text",
    "[cost": "Expected ']'",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_file_is_one_sentence_with_the_file_and_the_key(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.toml").write_text(text)
    for call in (lambda: vnic.Host(cost="x.toml"), lambda: cost_file.of_a_command("x.toml")):
        with pytest.raises(ConfigError) as e:
            call()
        assert WRONG[text] in str(e.value)
        assert "x.toml: " in str(e.value)
        assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("free", "must be one of linux, zero, "),
        (7, "must be one of linux, zero, "),
        (b"linux", "must be one of linux, zero, "),
        ("no/such", "No such file or directory"),
        ("no.toml", "No such file or directory"),
        ("/dev/null", "is a device, not a regular file"),
        ("{", "must be a mapping of costs"),
        ("{1, 2}", "must be a mapping of costs"),
        ("{" * 100_000, "must be a mapping of costs"),
        ("{'rx': 1}.x", "must be a mapping of costs"),
        ({"rx": "1"}, "rx=1: must be a whole number"),
        ({1: 1}, "there is no cost '1'"),
        ({"based-on": "costs/../../x.toml"}, "No such file or directory"),
    ],
)
def test_what_is_no_profile(wrong, sentence):
    with pytest.raises(ConfigError, match="cost=") as e:
        vnic.Host(cost=wrong)
    assert sentence in str(e.value)


def test_a_file_that_is_not_text(tmp_path):
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not text in UTF-8"):
        vnic.Host(cost=tmp_path / "x.toml")


# ---- the command ----


def invoke(*args):
    return CliRunner().invoke(main, ["costs", *args])


def test_costs_lists_the_profiles():
    assert [line.split()[0] for line in invoke().stdout.splitlines()] == list(cost.names())


@pytest.mark.parametrize("name", cost.names())
def test_costs_prints_each_figure_with_unit_and_source(name):
    result = invoke(name)
    begun = [line for line in result.stdout.splitlines()[2:] if not line.startswith(" ")]  # not a cell's second line
    rows = {line.split()[0]: line for line in begun if line.split()[0] in KEYS}
    assert list(rows) == list(KEYS)
    for key, (found, _) in shipped(name).figures().items():
        assert f" {found.value} " in rows[key]
        assert f" {KEYS[key].unit} " in rows[key]
        assert found.source.split()[0] in rows[key]


def test_costs_as_a_file_is_the_profile(tmp_path):
    (tmp_path / "x.toml").write_text(invoke("linux", "--toml").stdout)
    assert profile(tmp_path / "x.toml").own == shipped("linux").own


def test_a_profile_that_is_not_there_is_one_sentence():
    result = invoke("free")
    assert (result.exit_code, result.stderr.splitlines()) == (
        2,
        [f"vnic: free: must be one of {', '.join(cost.names())}, or a file such as costs.toml"],
    )
