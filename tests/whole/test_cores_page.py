"""docs/cores.md has what scripts/cores makes."""

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

import pytest
from paths import ROOT

loader = SourceFileLoader("cores", str(ROOT / "scripts/cores"))
cores = module_from_spec(spec_from_loader("cores", loader))
loader.exec_module(cores)


@pytest.mark.parametrize("queues", [pytest.param(n, marks=[pytest.mark.slow] * (n > 2)) for n in cores.QUEUES])
def test_a_row_is_that_of_a_run(queues):
    assert cores.row(queues) in cores.PAGE.read_text()


def test_eight_cpus_serve_eight_times_what_one_does():
    served = [float(line.split("|")[4]) for line in cores.PAGE.read_text().splitlines() if line[:4] in ("| 1 ", "| 8 ")]
    assert served == [served[0], served[0]]
