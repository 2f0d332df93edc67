"""Sentences for learners: each stage has some, and each fate that is a loss is explained where it happens."""

import re

import pytest

from vnic.counters.snapshots import FATES
from vnic.knobs.table import KNOBS
from vnic.walk.explain import DROPS, EXPLAIN, drop_stage
from vnic.walk.way import FILES

SENTENCES = [*EXPLAIN.values(), *DROPS.values()]


def test_every_stage_is_explained():
    assert list(EXPLAIN) == list(FILES)


@pytest.mark.parametrize("fate", FATES)
def test_every_loss_is_explained_at_a_stage(fate):
    where = drop_stage(fate)
    assert (where is None) == fate.startswith("DELIVERED_")
    assert where is None or "lost here" in DROPS[where] or "loses a frame here" in DROPS[where]


def test_every_stage_that_loses_frames_is_one_of_a_fate():
    assert {drop_stage(f) for f in FATES} - {None} == set(DROPS)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_is_whole_and_its_knobs_exist(sentence):
    assert sentence[0].isupper() or sentence.startswith("read()")
    assert sentence.endswith(".")
    assert sentence.count("`") % 2 == 0
    assert all(name in KNOBS for name in re.findall(r"`([^`]+)`", sentence))


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_fate_that_a_sentence_names_exists(sentence):
    assert all(word in FATES for word in re.findall(r"\b[A-Z]{2,}(?:_[A-Z]+)+\b", sentence) if word != "NET_RX_SOFTIRQ")
