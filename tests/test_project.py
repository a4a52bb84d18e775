"""What surrounds the package agrees with it."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import kinema
from kinema.commands import COMMANDS
from kinema.common.extras import EXTRAS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())

WHOLE = re.fullmatch(r"kinema\[(.+)\]", PROJECT["optional-dependencies"]["all"][0])[1].split(",")  # type: ignore[index]


def versions() -> list[str]:
    """The versions of Python that the classifiers name."""
    named = [line.rpartition(" :: ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line]
    assert named
    return named


def test_the_changelog_begins_with_the_version():
    first = re.search(r"^## (\S+) \((.+)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first is not None
    assert first[1] == Version(kinema.__version__).base_version
    assert (first[2] == "unreleased") == Version(kinema.__version__).is_devrelease


def test_pythons_are_the_same_everywhere():
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert [name for name in (f"3.{minor}" for minor in range(8, 20)) if name in allowed] == versions()
    tested = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())["jobs"]
    for job in ("suite", "quick"):
        assert tested[job]["strategy"]["matrix"]["python"] == versions()
    check = re.search(r"\(3, 11\) <= sys.version_info\[:2\] <= \(3, (\d+)\)", (ROOT / "Makefile").read_text())
    assert check is not None and f"3.{check[1]}" == versions()[-1]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_and_scripts_are_there(path):
    text = path.read_text()
    for action in re.findall(r"uses: (.+)", text):  # a tag can be moved, and a commit cannot
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", action), action
    for script in re.findall(r"\bci/[\w.]+", text):
        assert (ROOT / script).is_file(), script
    for test in re.findall(r"tests/[\w/]+\.py", text):
        assert (ROOT / test).is_file(), test
    for target in re.findall(r"make ([a-z-]+)", text):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text(), target


def test_reports_of_faults_ask_for_what_is_installed():
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text())
    (asked,) = [part for part in form["body"] if "kinema info" in part["attributes"]["label"]]
    assert asked["validations"]["required"]


BESIDE = sorted(
    path for room in ("benchmarks", "ci", "docs", "examples", "experiments") for path in (ROOT / room).rglob("*.py")
)
PROGRAMS = re.compile(r"^```python[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", [*BESIDE, *ROOT.rglob("docs/**/*.md"), ROOT / "README.md"], ids=lambda path: path.name)
def test_what_is_taken_from_the_package_is_there(path):
    """Of programs beside the package, and of those in pages, many of which no test runs."""
    text = path.read_text()
    for program in PROGRAMS.findall(text) if path.suffix == ".md" else [text]:
        for found in ast.walk(ast.parse(program)):
            if isinstance(found, ast.ImportFrom) and (found.module or "").partition(".")[0] == "kinema":
                module = importlib.import_module(found.module)
                for name in (one.name for one in found.names):
                    if not hasattr(module, name):  # a module of a room
                        importlib.import_module(f"{found.module}.{name}")


def test_the_citation_names_both_papers():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["license"] == PROJECT["license"]
    assert [paper["conference"]["name"] for paper in citation["references"]] == ["ECCV 2022", "BMVC 2021"]
    assert PROJECT["urls"]["Paper"] == citation["references"][0]["url"]


def test_the_lowest_versions_are_those_declared_and_below_those_pinned():
    done = subprocess.check_output([sys.executable, ROOT / "ci" / "lowest.py", "torchvision"], text=True)
    lowest = dict(line.split("==") for line in done.split())
    assert {"torch", "numpy", "tensorboard", "faiss-cpu"} <= lowest.keys() and "torchvision" not in lowest
    pinned = {name.lower().replace("_", "-"): Version(version) for name, version in PINNED.items()}
    for name, version in lowest.items():
        assert Version(version) <= pinned[name.lower().replace("_", "-")]
    for line in PROJECT["dependencies"]:
        asked = Requirement(line)
        assert Version(lowest[asked.name]) in asked.specifier


def test_hooks_use_the_pinned_ruff_and_no_environment_s_path():
    text = (ROOT / ".pre-commit-config.yaml").read_text()
    assert ".venv" not in text
    assert set(re.findall(r"ruff==([\d.]+)", text)) == {PINNED["ruff"]}


def test_every_command_and_every_extra_is_tried_where_only_the_wheel_is():
    quick, wheel, page = ((ROOT / name).read_text() for name in ("ci/quick.sh", "ci/try_wheel.sh", "docs/install.md"))
    left_out = [name for name in COMMANDS if not re.search(rf"^ +kinema {name}\b(?! --list)", quick, re.MULTILINE)]
    assert not left_out
    tried = re.search(r"^  set -- (.+)$", wheel, re.MULTILINE)
    assert tried is not None and tried[1].split() == ["core", *EXTRAS, "all"]
    together = re.search(r'^    all\) .* parts="(.+)"', wheel, re.MULTILINE)
    assert together is not None and together[1].split() == [
        "core",
        *(extra for extra in EXTRAS if extra in WHOLE),
        "jobs",
    ]
    for extra in EXTRAS:
        assert f"\n{extra}() {{" in quick and re.search(rf"^\| .*`{extra}`.* \|", page, re.MULTILINE), extra
