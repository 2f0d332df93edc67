"""A card of hardware, as the tests of the Linux faces have it."""

import pytest
from real_ethtool import built_card


@pytest.fixture(scope="session")
def preload(tmp_path_factory):
    """The card that the real ethtool talks to when it is preloaded."""
    return built_card(tmp_path_factory.mktemp("ethtool"))
