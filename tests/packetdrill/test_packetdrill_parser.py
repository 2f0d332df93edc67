"""The language: what each line becomes, what is refused and where, and that no text does anything else."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnic.packetdrill import ScriptError, parse, text_of
from vnic.packetdrill import script as s

NUMBER = st.integers(0, 0xFFFFFFFF)
PORT = st.integers(0, 65535)
WORD = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True).filter(lambda w: not w.startswith("E"))


def one(line):
    (event,) = parse(line).events
    return event


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("+.1", s.Time("relative", 100_000)),
        ("+0", s.Time("relative", 0)),
        ("2", s.Time("absolute", 2_000_000)),
        ("0.0001", s.Time("absolute", 100)),
        ("+0~+.2", s.Time("relative", 0, 200_000)),
        ("1~1.5", s.Time("absolute", 1_000_000, 1_500_000)),
        ("*", s.Time("any")),
    ],
)
def test_times(text, time):
    assert one(f"{text} > . 1:1(0) ack 1").time == time


def test_a_segment():
    line = "+0 < [ect0] 40000 > 8080 FP. 1:1001(1000) ack 5 win 257 urg 3 <nop,nop,TS val 7 ecr 8,sack 1:2 5:6>"
    options = (s.Opt("nop"), s.Opt("nop"), s.Opt("TS", (7, 8)), s.Opt("sack", (1, 2, 5, 6)))
    wanted = s.Tcp(True, "FP.", 1, 1000, 5, 257, 3, options, s.IpInfo("ect0"), (40000, 8080))
    assert one(line).action == wanted


def test_options_of_a_syn():
    action = one("+0 > S 0:0(0) <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7,eol>").action
    assert [o.kind for o in action.options] == ["mss", "sackOK", "TS", "nop", "wscale", "eol"]
    assert one("+0 > S 0:0(0) <...>").action.options is None
    assert one("+0 > - 0:0(0)").action.flags == ""


def test_icmp():
    wanted = s.Icmp(True, "unreachable", "frag_needed", 1200, (1, 1000))
    assert one("+0 < icmp unreachable frag_needed mtu 1200 [1:1001(1000)]").action == wanted


def test_a_system_call():
    event = one("+0...0.3 connect(3, ..., ...) = -1 ECONNREFUSED (Connection refused)")
    wanted = s.Syscall(
        "connect", (s.Number(3), s.Any_(), s.Any_()), s.Number(-1), "ECONNREFUSED", "Connection refused", 300_000
    )
    assert event.action == wanted


def test_expressions():
    line = '0 f(A|B, 0x10, "a" "b", [1, 2], {fd=3, x(1)=[{..., 4}]}) = 0x2 (flags O_RDWR)'
    action = one(line).action
    assert action.arguments == (
        s.Or(s.Word("A"), s.Word("B")),
        s.Number(16, hex=True),
        s.String("ab"),
        s.Array((s.Number(1), s.Number(2))),
        s.Struct(
            (
                s.Assign(s.Word("fd"), s.Number(3)),
                s.Assign(s.Call("x", (s.Number(1),)), s.Array((s.Struct((s.Any_(), s.Number(4))),))),
            )
        ),
    )
    assert (action.result, action.note) == (s.Number(2, hex=True), "flags O_RDWR")


def test_a_whole_script():
    script = parse(
        "--tolerance_usecs=5\n--define=N=3\n// a remark\n`before`\n0 close(N) = 0 /* b\n */ +0 %{ assert 1 }%\n`after`"
    )
    assert script.options == (("tolerance_usecs", "5"), ("define", "N=3"))
    assert (script.before, script.after) == (s.Command("before"), s.Command("after"))
    close, code = script.events
    assert close.action.arguments == (s.Number(3),)
    assert code.action.text.strip() == "assert 1"
    assert (close.line, code.line) == (5, 6)


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("+0 < X 0:0(0)", 1, 6, "expected flags"),
        ("+0 < S 0:5(0)", 1, 8, "numbers and bytes differ"),
        ("\n +0 < S 0:0(0) <mss>", 2, 20, "expected an MSS"),
        ("+0 < S 0:0(0) <what 3>", 1, 16, "expected an option"),
        ("+0 < S 0:0(0) <...>", 1, 6, "only an outbound packet"),
        ("* < S 0:0(0)", 1, 1, "only an outbound packet"),
        ("+0 close(3) 0", 1, 13, "expected = and the result"),
        ("+0 close(3", 1, 11, "the end of the script"),
        ("+0 close(3) = -1 EBADF", 1, 23, "expected ( and the error's text"),
        ("+0", 1, 3, "expected a packet"),
        ("+2~+1 > . 1:1(0)", 1, 5, "ends before it begins"),
        ("0 `open", 1, 3, "a command without its second `"),
        ('0 f("a', 1, 5, 'a text without its second "'),
        ("/* a", 1, 1, "a comment without its */"),
        ("0 %{ a", 1, 3, "code without its }%"),
        ("0 f(^)", 1, 5, "begins nothing of the language"),
        ("0 f(" + "[" * 50, 1, 29, "brackets inside each other"),
        ("+0 < icmp what", 1, 11, "expected a type of ICMP"),
        ("+0 < . 1:1(0) win 70000", 1, 19, "from 0 to 65535"),
        ("90000 close(3) = 0", 1, 1, "at most a day"),
        ("+0 < . 1:1(0) <" + ",".join(["TS val 1 ecr 1"] * 5) + ">", 1, 15, "more than 40 bytes"),
    ],
)
def test_an_error_says_where_and_what_was_expected(text, line, column, says):
    with pytest.raises(ScriptError) as e:
        parse(text)
    assert (e.value.line, e.value.column) == (line, column)
    assert says in str(e.value)
    assert str(e.value).startswith(f"line {line}, column {column}: ")


def test_a_script_is_bounded():
    with pytest.raises(ScriptError, match="larger than"):
        parse("/" * (s.SCRIPT_BYTES_MAX + 1))
    with pytest.raises(ScriptError, match="more than 20,000 events"):
        parse("0 f()=0\n" * 20_001)


@given(st.text(max_size=300))
def test_any_text_is_a_script_or_a_script_error(text):
    with contextlib.suppress(ScriptError):
        parse(text)


PIECES = st.sampled_from(
    [
        r"+0",
        r"+.1",
        r"*",
        r"~",
        r"<",
        r">",
        r"S.",
        r"F",
        r"-",
        r"1:1(0)",
        r"0:0(0)",
        r"ack",
        r"1",
        r"win",
        r"<mss",
        r"1>",
        r"<...>",
        r"(",
        r")",
        r"[",
        r"]",
        r"{",
        r"}",
        r",",
        r"=",
        r"|",
        r"...",
        r"3",
        r"0x1",
        r"-1",
        r'"a"',
        r"`b`",
        r"%{1}%",
        r"f(",
        r"EBADF",
        r"--mss=3",
        r"icmp",
        r"unreachable",
        r"mtu",
        r"sack",
        r"TS",
        r"val",
        r"ecr",
        r"//",
        r"/*",
        r"*/",
    ]
)


@given(st.lists(PIECES, max_size=40).map(" ".join))
def test_any_words_of_the_language_are_a_script_or_a_script_error(text):
    try:
        script = parse(text)
    except ScriptError:
        return
    assert parse(text_of(script)) == script


# ---- from a script to text and back ----

options = st.one_of(
    st.sampled_from([s.Opt("nop"), s.Opt("eol"), s.Opt("sackOK")]),
    PORT.map(lambda n: s.Opt("mss", (n,))),
    st.integers(0, 255).map(lambda n: s.Opt("wscale", (n,))),
    st.tuples(NUMBER, NUMBER).map(lambda v: s.Opt("TS", v)),
    st.lists(NUMBER, min_size=2, max_size=4).filter(lambda v: len(v) % 2 == 0).map(lambda v: s.Opt("sack", tuple(v))),
)
infos = st.one_of(
    st.just(s.IpInfo()),
    st.sampled_from(["noecn", "ect0", "ect1", "ce"]).map(s.IpInfo),
    st.integers(0, 255).map(lambda n: s.IpInfo(tos=n)),
    st.integers(0, 255).map(lambda n: s.IpInfo(ttl=n)),
)
flags = st.sets(st.sampled_from("FSRPUEW"), max_size=4).map(lambda f: "".join(sorted(f)) + ".")
segments = st.builds(
    s.Tcp, st.booleans(), flags, NUMBER, PORT, NUMBER, st.none() | PORT, PORT,
    st.lists(options, max_size=2).map(tuple), infos, st.none() | st.tuples(PORT, PORT),
)  # fmt: skip
numbers = st.builds(s.Number, st.integers(0, 1 << 40), st.booleans()) | st.integers(-99, -1).map(s.Number)
texts = st.from_regex(r"[a-z %d]{0,8}", fullmatch=True)
leaves = st.one_of(st.just(s.Any_()), numbers, WORD.map(s.Word), st.builds(s.String, texts, st.booleans()))
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda i: s.Array(tuple(i))),
        st.lists(inner, max_size=3).map(lambda i: s.Struct(tuple(i))),
        st.builds(s.Call, WORD, st.lists(inner, max_size=2).map(tuple)),
        st.builds(s.Or, leaves, inner),
    ),
    max_leaves=8,
)
arguments = values | st.builds(s.Assign, WORD.map(s.Word), values)
calls = st.builds(
    s.Syscall, WORD, st.lists(arguments, max_size=4).map(tuple), numbers,
    st.none() | st.just("EBADF"), st.just("Bad file descriptor"), st.none() | st.integers(0, 10**9),
)  # fmt: skip
others = st.one_of(
    calls, texts.map(s.Command), st.from_regex(r"[a-z =]{1,9}", fullmatch=True).map(lambda t: s.Code(t.strip()))
)
plain_times = st.builds(s.Time, st.sampled_from(["relative", "absolute"]), st.integers(0, 10**9))


@given(st.lists(st.builds(s.Event, plain_times, st.one_of(segments, others)), min_size=1, max_size=5))
def test_a_script_survives_its_text(events):
    events.append(
        s.Event(s.Time("absolute"), s.Syscall("end", (), s.Number(0)))
    )  # a last command would be the clean-up
    script = s.Script((s.Event(s.Time("absolute"), s.Syscall("begin", (), s.Number(0))), *events))
    assert parse(text_of(script)) == script
