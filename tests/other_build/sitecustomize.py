"""Put on PYTHONPATH, this makes Python (and what tests start) import the vnic in $VNIC_SITE, whatever is installed.

scripts/sanitize and scripts/mutate test another build of the data plane that way.
"""

import os
import sys
from importlib.machinery import PathFinder


class OtherBuild:
    """Comes before an editable install and before the source tree, which has no extension."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "vnic":
            return PathFinder.find_spec(name, [os.environ["VNIC_SITE"]])
        return PathFinder.find_spec(name, path) if name.startswith("vnic.") else None


sys.meta_path.insert(0, OtherBuild)
