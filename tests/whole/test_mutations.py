"""The random mutants of scripts/mutate: of code only, repeatable, each known by what it is."""

import shutil
import subprocess

import pytest
from c_sources import CSRC, texts
from equivalent_mutants import EQUIVALENT, stale
from mutations import mutations, place, sample

SOURCES = texts()
OPERATORS = {"comparison", "constant", "and/or", "plus/minus", "not", "negated", "jump", "dropped"}


def wrongs(code, *, operator=None):
    """The texts that a function's body becomes."""
    text = f"static int f(int a, int b)\n{{\n{code}\n}}\n"
    made = [m for m in mutations({"f.c": text}) if operator in (None, m.operator)]
    assert all(m.function == "f" for m in made)
    return {m.apply(text)[len("static int f(int a, int b)\n{\n") : -len("\n}\n")] for m in made}


@pytest.mark.parametrize(
    ("operator", "code", "become"),
    [
        ("comparison", "return a < b;", {"return a <= b;", "return a >= b;"}),
        ("comparison", "return a >= b;", {"return a > b;", "return a < b;"}),
        ("comparison", "return a == b;", {"return a != b;"}),
        ("comparison", "p->a = a << b >> a;", set()),
        ("constant", "return a * 7;", {"return a * 8;"}),
        ("constant", "a = 0;", {"a = 1;"}),
        ("constant", "a = 1ull;", {"a = 0ull;"}),
        ("constant", "a = 0xffu;", {"a = 0x100u;"}),
        ("and/or", "return a && b;", {"return a || b;"}),
        ("and/or", "return a & b | a;", set()),
        ("plus/minus", "return a + b;", {"return a - b;"}),
        ("plus/minus", "a -= b;", {"a += b;"}),
        ("plus/minus", "return -b;", set()),
        ("plus/minus", "return b++;", set()),
        ("not", "return !a;", {"return a;"}),
        ("not", "return a != b;", set()),
        ("negated", "if (a & 1)\n\treturn b;", {"if (!(a & 1))\n\treturn b;"}),
        ("jump", "for (;;)\n\tbreak;", {"for (;;)\n\t;"}),
        ("jump", "if (a)\n\treturn g(b);\nb++;", {"if (a)\n\t;\nb++;"}),
        ("jump", "return a;", set()),  # the last: what it gave then would be nobody's choice
        ("dropped", "a = b;\ng(a);", {";\ng(a);", "a = b;\n;"}),
        ("dropped", "if (a)\n\tg(b);\nelse\n\th(b);", {"if (a)\n\t;\nelse\n\th(b);", "if (a)\n\tg(b);\nelse\n\t;"}),
        ("dropped", "g(a,\n  b);", {";\n"}),  # lines stay where they are
        ("dropped", "*p = a;", {";"}),
        ("dropped", "a = b ? c : g(d);", {";"}),
        ("dropped", "switch (a) {\ncase 1:\n\tg(a);\n}", {"switch (a) {\ncase 1:\n\t;\n}"}),
        ("dropped", "out:\n\tg(a);", {"out:\n\t;"}),
        ("dropped", "int c = a;\nu32 d;\nstruct s *e = g(a);\n(void)e;", set()),
    ],
)
def test_an_operator(operator, code, become):
    assert wrongs(code, operator=operator) == become


@pytest.mark.parametrize(
    "code",
    [
        "/* a < 1 && b */",
        "// a == 1",
        "#define N 10",
        'static const char *s = "a < 10";',
        "u8 copy[44];",
        "assert(a < 10 && b);",
        "__builtin_prefetch(p + 64);",
        "_Static_assert(sizeof(int) == 4, 0);",
    ],
)
def test_what_is_no_code_stays_as_it_is(code):
    assert wrongs(code) == set()


def test_a_declarations_value_is_code_and_its_bounds_are_not():
    assert wrongs("int a[2] = { 7 }, b = 3 + c;") == {
        "int a[2] = { 8 }, b = 3 + c;",
        "int a[2] = { 7 }, b = 4 + c;",
        "int a[2] = { 7 }, b = 3 - c;",
    }


@pytest.mark.slow
def test_the_same_seed_gives_the_same_mutants_and_another_gives_others():
    first = sample(SOURCES, 1)
    assert first == sample(SOURCES, 1)
    assert {m.key for m in first[:100]} != {m.key for m in sample(SOURCES, 2)[:100]}
    assert {m.operator for m in first} == OPERATORS
    assert {m.file for m in first} == set(SOURCES)


def test_an_edit_moves_no_mutants_but_its_own():
    more = "\n/* a line more */\n"
    sources = {name: SOURCES[name] for name in ("fifo.c", "rps.c", "timer.c")}
    edited = sources | {"fifo.c": SOURCES["fifo.c"].replace("#include", f"{more}#include", 1)}
    before, after = sample(sources, 3), sample(edited, 3)
    assert [m.key for m in before] == [m.key for m in after]
    for m, n in zip(before, after, strict=True):
        assert m.apply(sources[m.file]) == n.apply(edited[n.file]).replace(more, "", 1)


@pytest.mark.slow
@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_what_an_operator_makes_of_the_data_plane_compiles_mostly(operator, tmp_path):
    """Those that do not are numbers of cases, and the like."""
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler: cc")
    chosen = [m for m in sample(SOURCES, 1) if m.operator == operator][:5]
    good = 0
    for m in chosen:
        (tmp_path / m.file).write_text(m.apply(SOURCES[m.file]))
        command = [compiler, "-fsyntax-only", "-std=gnu11", "-w", f"-I{CSRC}", str(tmp_path / m.file)]
        good += subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert good >= 4


def test_each_equivalent_mutant_is_in_a_file_that_exists_and_has_a_reason():
    for reason, entries in EQUIVALENT.items():
        assert len(reason) > 10
        for file, function, good, wrong in entries:
            assert f"{function}(" in SOURCES[file]
            assert good != wrong or good == "*"


def test_every_equivalent_mutant_is_still_one_of_the_mutants():
    assert stale(mutations(SOURCES)) == []


TWICE = "static int f(int a)\n{\n\treturn g(a,\n\t\t 1);\n}\n\nint h(int a)\n{\n\treturn g(a, 1);\n}\n"


def test_a_place_is_found_by_its_function_whatever_its_spaces():
    for function, first in (("f", TWICE.index("g(a")), ("h", TWICE.rindex("g(a"))):
        begin, end = place(TWICE, "g( a,1 )", function)
        assert (begin, " ".join(TWICE[begin:end].split())) == (first, "g(a, 1)")
    begin, end = place(TWICE, "int h(int a)")
    assert TWICE[begin:end] == "int h(int a)"


@pytest.mark.parametrize(
    ("wanted", "function", "why"),
    [
        ("g(a, 1)", "", "2 times"),
        ("g(a, 2)", "f", "0 times"),
        ("g(a, 1)", "k", r"k\(\) is there 0 times"),
        ("inth(int a)", "", "0 times"),
        ("return g(a, 1); } int h", "f", "0 times"),
    ],
)
def test_a_place_that_is_not_exactly_one_is_refused(wanted, function, why):
    with pytest.raises(ValueError, match=why):
        place(TWICE, wanted, function)
