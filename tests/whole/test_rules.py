"""The table of rules is true: its proofs exist, its mutants fit the source, the documentation has it."""

import ast

import pytest
from c_sources import texts
from gro_rows import ROWS
from napi_moments import TABLES
from paths import ROOT
from rules import AREAS, RULES, table

SOURCES = texts()


def functions(path):
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(
    "proof", sorted({t for rule in RULES for t in (*rule.tests, *(m for x in rule.mutants for m in x.tests))})
)
def test_each_proof_exists(proof):
    file, _, test = proof.partition("::")
    function, _, row = test.partition("[")
    assert (ROOT / file).exists()
    assert not function or function in functions(ROOT / file)
    assert not row or row.removesuffix("]") in TABLES


def test_each_row_exists():
    known = {row.id.split(" ", 1)[1] for row in ROWS}
    assert {row for rule in RULES for row in rule.rows} - known == set()
    general = {"data_burst", "single", "64 in order", "70 in order: a full poll flushes", "130 in order"}
    assert known - {row for rule in RULES for row in rule.rows} <= general


def test_each_mutant_fits_in_one_place_of_the_source():
    """scripts/mutate runs them; a line that was rewritten must not make one silently fit nowhere."""
    for rule in RULES:
        for mutant in rule.mutants:
            assert mutant.turn(SOURCES[mutant.file]) != SOURCES[mutant.file], mutant


def test_at_least_30_rules_can_be_turned_round():
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert sum(bool(rule.mutants) for rule in RULES) >= 30


def test_the_documentation_has_the_table():
    assert table() in (ROOT / "docs/linux/rules.md").read_text(), "scripts/conformance --update writes it"


def test_each_rule_has_one_area():
    assert [r.name for r in RULES if sum(r.name.startswith(p) for p in AREAS.values()) != 1] == []
