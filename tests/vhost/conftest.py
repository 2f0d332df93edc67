"""A fixture: a card on a socket, and front-ends that attach to it; at the end both laws hold."""

import contextlib

import front_end
import pytest
from vhost_checks import ends_well

from vnic.vhost.card import VhostCard


@pytest.fixture
def vhost(tmp_path):
    """A factory: vhost(queues=2, ...) is a started card; closed, with its ledger checked, at the end."""
    with contextlib.ExitStack() as stack:

        def make(name="card", **knobs):
            card = VhostCard(tmp_path / name, **({"link": "inf"} | knobs))
            stack.callback(ends_well, card)
            card.start()
            return card

        yield make


@pytest.fixture
def attach():
    """A factory: attach(card, pairs=2, ...) is a front-end, not yet started; closed at the end."""
    with contextlib.ExitStack() as stack:

        def make(card, **options):
            return stack.enter_context(front_end.FrontEnd(card.path, **options))

        yield make
