"""scripts/release lets only a clean, tagged tree with a dated changelog pass. Version and extras are said once."""

import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import metadata, version

import needs
import pytest
from paths import ROOT

import vnic
from vnic import extras

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CHANGELOG = "# Changelog\n\n## 1.2.3, 2026-02-28\n\n* All.\n\n## 1.2.2, 2026-01-01\n"


@pytest.fixture
def tree(tmp_path):
    """A project that is a release: a git repository with the three files that the script looks at."""
    needs.require("git")
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/release", tmp_path / "scripts")
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    git(tmp_path, "tag", "-a", "v1.2.3", "-m", "v1.2.3")
    return tmp_path


def git(tree, *words):
    who = (
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.com",
        "-c",
        "tag.gpgsign=false",
        "-c",
        "commit.gpgsign=false",
    )
    subprocess.run(["git", *who, *words], cwd=tree, check=True, timeout=30)


def commit(tree):
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "--allow-empty", "-m", "x")


def release(tree, *args):
    """Exit code, and the lines it says: what is wrong, or that it is good."""
    command = [sys.executable, tree / "scripts/release", *(args or ("--check",))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, (done.stderr or done.stdout).splitlines()


def test_a_release_passes(tree):
    assert release(tree) == (0, ["vnic 1.2.3: the tree is clean, tagged, and in the changelog"])


def test_an_unknown_argument_is_refused(tree):
    assert release(tree, "--upload") == (2, ["scripts/release: unknown argument --upload; it takes --check and --all"])


def put(name, text):
    return lambda tree: (tree / name).write_text(text)


def commit_more(tree):
    put("more", "")(tree)
    commit(tree)


def tag_away(tree):
    git(tree, "tag", "-d", "v1.2.3")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (put("new", ""), "the tree is not clean: 1 files, as new"),
        (put("CHANGELOG.md", CHANGELOG + " "), "the tree is not clean: 1 files, as CHANGELOG.md"),
        (commit_more, "the tag v1.2.3 is not at HEAD: a release needs a new version"),
        (tag_away, "there is no tag v1.2.3: git tag -a v1.2.3 -m v1.2.3"),
        (lambda tree: shutil.rmtree(tree / ".git"), "this is no git repository, or it has no commit"),
        *(
            (put("CHANGELOG.md", f"# Changelog\n{heading}\n## 1.2.3, 2026-02-28\n"), f"CHANGELOG.md{why}")
            for heading, why in {
                "## 1.2.3, not released yet": " begins with '## 1.2.3, not released yet'",
                "## 1.2.4, 2026-02-28": " begins with '## 1.2.4, 2026-02-28'",
                "## 1x2.3, 2026-02-28": " begins with '## 1x2.3",
                "## 1.2.3, 2026-02-29": ": 2026-02-29 is not a date",
            }.items()
        ),
        (put("CHANGELOG.md", ""), "CHANGELOG.md begins with 'no section'"),
        (put("pyproject.toml", '[project]\nversion = "1.2"\n'), "pyproject.toml: version 1.2 must be as 1.2.3"),
    ],
)  # fmt: skip
def test_each_thing_that_is_wrong_is_said(tree, change, problem):
    change(tree)
    code, lines = release(tree)
    assert code == 1
    assert any(line.startswith(f"  {problem}") for line in lines), lines


def test_the_version_is_in_one_place():
    assert vnic.__version__ == version("vnic") == PROJECT["version"]
    needs.require("git")
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    if names.returncode:
        pytest.skip("not a git repository: which files are the project's?")
    word = re.compile(rf"(?<![\d.]){re.escape(PROJECT['version'])}(?![\d.])")
    files = [ROOT / name for name in names.stdout.splitlines() if not name.startswith("tests/")]
    said = {f.name for f in files if f.is_file() and word.search(f.read_text(errors="replace"))}
    assert said == {"pyproject.toml", "CHANGELOG.md", "session.md"}  # the last is recorded from the commands


def test_each_extra_has_its_sentence_and_all_has_them_all():
    own = {name: needs for name, needs in PROJECT["optional-dependencies"].items() if name != "all"}
    assert set(extras.EXTRAS) == set(own)
    assert PROJECT["optional-dependencies"]["all"] == [f"vnic[{','.join(own)}]"]
    assert set(metadata("vnic").get_all("Provides-Extra")) == {*own, "all"}


@pytest.mark.parametrize("module", [m for modules in extras.EXTRAS.values() for m in modules])
def test_a_missing_extra_is_a_sentence_with_the_pip_line(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(extras.MissingExtraError, match=r"^captures: pip install 'vnic\[\w+\]'$") as e:
        extras.load(module, "captures")
    assert isinstance(e.value, (vnic.VnicError, ImportError))
