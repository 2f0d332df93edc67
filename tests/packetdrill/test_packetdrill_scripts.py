"""Scripts of our own, a folder for each rule: vnic and the running kernel both do what each says."""

from pathlib import Path

import pytest
from drill_kernel import kernels_result, kernels_results

from vnic.packetdrill import load, run, text_of

SCRIPTS = sorted((Path(__file__).parent / "scripts").rglob("*.pkt"))
SHORT = [path for path in SCRIPTS if "\n// long: " not in path.read_text()]


def _name(path):
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
def test_vnic_does_what_a_script_says(path):
    result = run(path)
    assert result.passed, result.failure
    assert len(result.trace) >= len(load(path).events)


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
def test_two_runs_leave_the_same_trace(path):
    assert run(path) == run(path)


@pytest.fixture(scope="module")
def on_the_kernel():
    import needs

    if why := needs.why_no_root():
        pytest.skip(why)
    return kernels_results(SHORT)


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("path", SHORT, ids=_name)
def test_the_running_kernel_does_what_a_script_says(on_the_kernel, path):
    """A script that says ``long:`` was tried by hand, at the date that it names."""
    result = on_the_kernel[path]
    if not result.passed:  # alone, the machine is less busy
        result = kernels_result(path)
    assert result.passed, result.failure


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
def test_a_script_tells_what_it_is_for(path):
    first, *_ = path.read_text().splitlines()
    assert first.startswith("// ")
    assert len(first) > 30


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
def test_a_scripts_text_is_the_same_script(path):
    from vnic.packetdrill import parse

    script = load(path)
    assert parse(text_of(script)) == script
