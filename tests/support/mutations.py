"""Small mistakes in C text: what scripts/mutate --random puts into the data plane, one at a time.

C is cut into tokens, functions and statements, no more. Comments, strings, preprocessor lines, what declares,
assertions, prefetches and sizeof stay as they are: no behaviour hangs on them, or the compiler says so. A mutation is
known by its file, its function and the statement before and after, so that edits elsewhere change neither its place in
the order of a seed nor whether tests/support/equivalent_mutants.py knows it.
"""

import hashlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

TOKEN = re.compile(
    r"""(?P<skip>/\*.*?\*/ | //[^\n]* | \s+ | "(?:\\.|[^"\\])*" | ^[ \t]*\#(?:\\\n|[^\n])*)
      | (?P<char>'(?:\\.|[^'\\])*')
      | (?P<word>[A-Za-z_]\w*)
      | (?P<number>0[xX][0-9a-fA-F]+[uUlL]* | \d+\.\d+ | \d+[uUlL]*)
      | (?P<sign>\.\.\. | <<= | >>= | -> | \+\+ | -- | << | >> | <= | >= | == | != | && | \|\| | [-+*/%&|^]= | .)""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
COMPARISONS = {
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "==": ("!=",),
    "!=": ("==",),
}
TYPES = frozenset(
    """const static struct enum union void bool char int long unsigned register volatile float double size_t ssize_t
    u8 u16 u32 u64 s8 s16 s32 s64 le16 le32 le64 uint8_t uint16_t uint32_t uint64_t int64_t""".split()  # noqa: SIM905
)
NOT_CODE = frozenset(
    ["assert", "_Static_assert", "__builtin_prefetch", "prefetch", "sizeof", "offsetof", "__attribute__", "__asm__"]
)
BEGINS = (";", "{", "}", "else", "do")
NO_DROP = frozenset(
    "if else for while do switch case default return goto break continue typedef".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Token:
    """kind: char, word, number or sign."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True)
class Mutation:
    """text[start:end] of a file becomes wrong. good_code, wrong_code: the whole statement, on one line."""

    file: str
    function: str
    operator: str
    line: int
    start: int
    end: int
    wrong: str
    good_code: str
    wrong_code: str

    def apply(self, text: str) -> str:
        """Lines stay where they are: asserts know theirs."""
        lines = text.count("\n", self.start, self.end) - self.wrong.count("\n")
        return text[: self.start] + self.wrong + "\n" * lines + text[self.end :]

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.file, self.function, self.good_code, self.wrong_code

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function}(): {self.good_code}  ->  {self.wrong_code}"


def tokens(text: str) -> list[Token]:
    return [
        Token(m.lastgroup or "", m.group(), m.start())
        for m in TOKEN.finditer(text)
        if m.lastgroup not in (None, "skip")
    ]


def match(toks: list[Token], at: int) -> int:
    """The index of what closes the bracket at an index."""
    closing, depth = {"(": ")", "[": "]", "{": "}"}[toks[at].text], 0
    for i in range(at, len(toks)):
        depth += (toks[i].text == toks[at].text) - (toks[i].text == closing)
        if depth == 0:
            return i
    raise ValueError(f"{toks[at].text} at {toks[at].start} is never closed")


def functions(toks: list[Token]) -> Iterator[tuple[str, int, int]]:
    """Name, first and last token of each body."""
    i, name = 0, ""
    while i < len(toks):
        text = toks[i].text
        if text == "__attribute__":
            i = match(toks, i + 1)
        elif text == "(" and not name and i and toks[i - 1].kind == "word":
            name = toks[i - 1].text
            i = match(toks, i)
        elif text == "{":
            end = match(toks, i)
            if name and toks[i - 1].text == ")":
                yield name, i, end
            i, name = end, ""
        elif text == ";":
            name = ""
        i += 1


def not_code(toks: list[Token], first: int, last: int) -> set[int]:
    """Indices of tokens that no operator touches: assertions and the like, and what comes before a declaration's =."""
    out: set[int] = set()
    for i in range(first, last):
        if toks[i].text in NOT_CODE and toks[i + 1].text == "(":
            out.update(range(i, match(toks, i + 1) + 1))
    for begin in statements(toks, first, last):
        if declares(toks, begin):
            i, value = begin, False
            while toks[i].text != ";":
                if toks[i].text in "([{" and (value or toks[i].text == "("):
                    end = match(toks, i)
                    if not value:
                        out.update(range(i, end + 1))
                    i = end
                elif toks[i].text == "=":
                    value = True
                elif toks[i].text == ",":
                    value = False
                elif not value:
                    out.add(i)
                i += 1
    return out


def declares(toks: list[Token], begin: int) -> bool:
    return toks[begin].text in TYPES or (
        toks[begin].kind == toks[begin + 1].kind == "word" and toks[begin].text not in NO_DROP
    )


def statements(toks: list[Token], first: int, last: int) -> Iterator[int]:
    """Where one may begin: behind ; { } else do, a label, and the closing parenthesis of if, for, while and switch."""
    heads = set()
    for i in range(first, last):
        if toks[i].text in ("if", "for", "while", "switch") and toks[i + 1].text == "(":
            heads.add(match(toks, i + 1))
            if toks[i].text == "for":
                yield i + 2
    depth, parens = 0, []
    for i in range(first, last):
        if toks[i].text in "([":
            parens.append(i)
        elif toks[i].text in ")]":
            parens.pop()
        depth = len(parens)
        if i + 1 < last and (i in heads or (not depth and (toks[i].text in BEGINS or is_label(toks, i)))):
            yield i + 1


def is_label(toks: list[Token], i: int) -> bool:
    """The colon of a case or of a goto's label, not that of a condition."""
    if toks[i].text != ":":
        return False
    first = i
    while toks[first - 1].text not in (";", "{", "}", ":"):
        first -= 1
    return toks[first].text in ("case", "default") or first == i - 1


def one_line(text: str) -> str:
    """Without comments, on one line."""
    return " ".join(re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL).split())


class File:
    """The mutations of one file."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text, self.toks = name, text, tokens(text)

    def around(self, i: int, body: tuple[int, int]) -> tuple[int, int]:
        """The piece of code that token i is in: from behind the last ; { } to before the next."""
        first = last = i
        while first > body[0] + 1 and self.toks[first - 1].text not in (";", "{", "}"):
            first -= 1
        while last < body[1] - 1 and self.toks[last].text not in (";", "{", "}"):
            last += 1
        return self.toks[first].start, self.toks[last].end

    def mutations(self) -> Iterator[Mutation]:
        for function, first, last in functions(self.toks):
            left_alone = not_code(self.toks, first, last)
            begins = set(statements(self.toks, first, last))
            for i in range(first + 1, last):
                if i in left_alone:
                    continue
                for operator, start, end, wrong in self.at(i, last, begins):
                    a, b = self.around(i, (first, last))
                    b = max(b, end)
                    yield Mutation(
                        self.name,
                        function,
                        operator,
                        self.text.count("\n", 0, self.toks[i].start) + 1,
                        start,
                        end,
                        wrong,
                        one_line(self.text[a:b]),
                        one_line(self.text[a:start] + wrong + self.text[end:b]),
                    )

    def at(self, i: int, last: int, begins: set[int]) -> Iterator[tuple[str, int, int, str]]:
        """Operator, start, end and new text of what can go wrong at a token."""
        t, before, after = self.toks[i], self.toks[i - 1], self.toks[i + 1]
        operand = before.kind in ("word", "number", "char") or before.text in (")", "]")
        operand = operand and before.text not in ("return", "case")
        if t.text in COMPARISONS:
            for other in COMPARISONS[t.text]:
                yield "comparison", t.start, t.end, other
        elif t.kind == "number" and "." not in t.text:
            yield "constant", t.start, t.end, other_number(t.text)
        elif t.text in ("&&", "||"):
            yield "and/or", t.start, t.end, "||" if t.text == "&&" else "&&"
        elif t.text in ("+", "-", "+=", "-=") and operand:
            yield "plus/minus", t.start, t.end, t.text.translate({43: "-", 45: "+"})
        elif t.text == "!" and not operand:
            yield "not", t.start, t.end, ""
        elif t.text in ("if", "while") and after.text == "(":
            close = self.toks[match(self.toks, i + 1)]
            condition = self.text[after.end : close.start]
            if "\n" not in condition or len(one_line(condition)) < 200:
                yield "negated", after.end, close.start, f"!({condition})"
        elif t.text in ("break", "continue") or (t.text == "return" and self.ends(i) + 1 < last):
            yield "jump", t.start, self.toks[self.ends(i)].end, ";"
        elif i in begins and self.is_dropped(i):
            yield "dropped", t.start, self.toks[self.ends(i)].end, ";"

    def ends(self, i: int) -> int:
        """The index of the semicolon that ends the statement at i."""
        while self.toks[i].text != ";":
            i = match(self.toks, i) + 1 if self.toks[i].text in ("(", "[", "{") else i + 1
        return i

    def is_dropped(self, i: int) -> bool:
        """A call or an assignment, not what declares, nor (void)x, which does nothing."""
        t = self.toks[i]
        if t.text in NO_DROP or t.text in NOT_CODE or declares(self.toks, i):
            return False
        if t.text == "(" and self.toks[i + 1].text == "void":
            return False
        return (t.kind == "word" and self.toks[i + 1].text != ":") or t.text in ("*", "(", "++", "--")


def other_number(text: str) -> str:
    """0 and 1 change places, n becomes n + 1."""
    digits = text.rstrip("uUlL")
    n = int(digits, 16 if digits.lower().startswith("0x") else 10)
    other = 0 if n == 1 else n + 1
    return (hex(other) if digits.lower().startswith("0x") else str(other)) + text[len(digits) :]


def mutations(sources: dict[str, str]) -> list[Mutation]:
    """All that can be made of some files: name -> text."""
    return [m for name, text in sorted(sources.items()) for m in File(name, text).mutations()]


def sample(sources: dict[str, str], seed: int) -> list[Mutation]:
    """All of them in the order of a seed, which is that of a hash of what they are: an edit moves only its own."""
    seen: dict[tuple[str, str, str, str], int] = {}
    keyed = []
    for m in mutations(sources):
        seen[m.key] = seen.get(m.key, 0) + 1
        name = "\0".join((str(seed), *m.key, str(seen[m.key])))
        keyed.append((hashlib.sha256(name.encode()).digest(), m))
    return [m for _, m in sorted(keyed, key=lambda pair: pair[0])]


def place(text: str, wanted: str, function: str = "") -> tuple[int, int]:
    """Where a text begins and ends, in a function's body if one is named; line breaks and spaces may differ.

    ValueError: it is not in exactly one place.
    """
    first, last = 0, len(text)
    if function:
        toks = tokens(text)
        bodies = [(toks[a].start, toks[b].end) for name, a, b in functions(toks) if name == function]
        if len(bodies) != 1:
            raise ValueError(f"{function}() is there {len(bodies)} times, not once")
        [(first, last)] = bodies
    words = re.findall(r"\w+|[^\w\s]", wanted)
    pattern = re.escape(words[0])
    for one, next_ in itertools.pairwise(words):
        pattern += (r"\s+" if re.match(r"\w", one[-1]) and re.match(r"\w", next_) else r"\s*") + re.escape(next_)
    found = [m.span() for m in re.compile(pattern).finditer(text, first, last)]
    if len(found) != 1:
        raise ValueError(f"{wanted!r} is there {len(found)} times, not once")
    return found[0]
