"""Cards whose driver is the test."""

import pytest
from dma_card import Card
from foreign_rings import Foreign


@pytest.fixture
def card():
    """A host without a driver of its own, and one by hand, before DRIVER_OK."""
    with Card() as c:
        yield c


@pytest.fixture
def foreign(host):
    made = []

    def make(**knobs):
        knobs = {"external_driver": True, "rx_ring": 16, "rx_pool": 64} | knobs
        made.append(Foreign(host(**knobs)))
        return made[-1]

    yield make
    for driver in made:
        driver.close()
