"""A project of somebody else tests itself with vnic, in a venv of its own: tests/example_project."""

import os
import shutil
import subprocess
import sys
import sysconfig

import needs
import pytest
from paths import ROOT


@pytest.fixture(scope="module")
def venv(tmp_path_factory):
    """A fresh one, which sees what is installed here as if it was installed there."""
    at = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", at], check=True, timeout=60)
    here = sysconfig.get_path("purelib")
    there = sysconfig.get_path("purelib", vars={"base": str(at), "platbase": str(at)})
    with open(f"{there}/here.pth", "w") as f:
        f.write(f"import site; site.addsitedir({here!r})\n")
    return at


@pytest.mark.slow
def test_the_example_project_tests_itself(venv, tmp_path):
    project = shutil.copytree(ROOT / "tests/example_project", tmp_path / "greeter")
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VNIC_REQUIRE_ROOT_TESTS")}
    known = "ignore:Module already imported so cannot be rewritten:pytest.PytestAssertRewriteWarning"  # editable
    done = subprocess.run(
        [venv / "bin/python", "-m", "pytest", "-rs", "-p", "no:cacheprovider", "-W", known],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if needs.why_no_root():
        assert "5 passed, 2 skipped" in done.stdout
        assert "needs CAP_SYS_ADMIN" in done.stdout or "cannot be opened" in done.stdout
    else:
        assert "7 passed" in done.stdout
