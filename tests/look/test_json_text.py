"""JSON of reports: the same value as without our own line breaks, and lists of numbers on one line."""

import json

from hypothesis import given
from hypothesis import strategies as st

from vnic.look import json_text

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(VALUES)
def test_it_reads_back_as_the_same(value):
    assert json.loads(json_text.text(value)) == value


@given(st.lists(st.text('[]0123456789,\n \\"'), max_size=4))
def test_texts_that_look_like_lists_stay(texts):
    assert json.loads(json_text.text({"a": texts, "b": [1]})) == {"a": texts, "b": [1]}


def test_a_list_of_numbers_is_a_line_and_nothing_else_is():
    assert (
        json_text.text({"a": [1, -2.5, 3e20], "b": [[1, 2], ["x"]], "c": [], "d": [None, 1]})
        == """{
  "a": [1, -2.5, 3e+20],
  "b": [
    [1, 2],
    [
      "x"
    ]
  ],
  "c": [],
  "d": [
    null,
    1
  ]
}"""
    )
