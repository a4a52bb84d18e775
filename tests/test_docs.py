"""The documentation: its links, its reference, and the commands of its tutorials, which are run."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
BLOCK = re.compile(r"^```(sh|python)(?: title=\"([^\"\n]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FEWER = {
    "tutorials/search": [("--videos 100", "--videos 6")],
    "tutorials/pretrain": [("--videos 500", "--videos 30"), ("--steps 2000", "--steps 2 --trainer.batch-size 4")],
    "tutorials/labels": [
        ("--videos 600", "--videos 60"),
        ("--per-class 10", "--per-class 1"),
        ("--steps 1000", "--steps 2 --trainer.batch-size 4"),
    ],
    "tutorials/diagnose": [("--videos 600", "--videos 60")],
    "tutorials/flow": [("--videos 10", "--videos 2")],
    "extend": [("--videos 40", "--videos 6")],
    "guides/sport": [("--videos 270", "--videos 54")],
    "guides/gestures": [("--videos 600", "--videos 60")],
}
"""What is less of on a page while it is tested; all else is run as it stands."""
ROOMS = ["kinema", "kinema.flow", "kinema.models", "kinema.search", "kinema.evaluation"]


def pages_of(nav: list | dict | str) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    parts = nav if isinstance(nav, list) else nav.values()
    return [page for part in parts for page in pages_of(part)]


def test_every_page_is_in_the_site_once():
    nav = pages_of(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    assert sorted(nav) == sorted(str(page.relative_to(DOCS)) for page in PAGES)


@pytest.mark.parametrize("page", [*PAGES, *ROOT.glob("*.md")], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("room", ROOMS)
def test_the_reference_has_every_public_name(room):
    named = re.findall(r"^::: (\S+)$", (DOCS / "reference" / f"{room.rpartition('.')[2]}.md").read_text(), re.MULTILINE)
    public = [name for name in importlib.import_module(room).__all__ if name != "__version__"]
    assert sorted(named) == sorted(f"{room}.{name}" for name in public)


@pytest.mark.parametrize("room", ROOMS)
def test_examples_of_the_reference_use_every_public_function_and_run(room, tmp_path):
    text = (DOCS / "reference" / f"{room.rpartition('.')[2]}.md").read_text()
    public = {name: getattr(importlib.import_module(room), name) for name in importlib.import_module(room).__all__}
    shown = text.partition("\n::: ")[0]
    functions = [name for name, what in public.items() if inspect.isfunction(what)]  # of the index, methods do it all
    assert all(re.search(rf"\b{name}\b", shown) for name in functions)
    ((_, _, program),) = BLOCK.findall(shown)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    run = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": path}, "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, "-c", program], **run)
    assert done.returncode == 0, done.stderr


def test_errors_that_are_explained_are_those_of_the_package():
    source = "\n".join(path.read_text() for path in (ROOT / "kinema").rglob("*.py"))
    source = source.replace("{what} needs {module}: {remedy(module)}", 'needs tensorboard: pip install "kinema[train]"')
    for said in re.findall(r"^\*\*`(.+?)`\*\*", (DOCS / "faq.md").read_text(), re.MULTILINE):
        assert said in source, said


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", FEWER)
def test_tutorials_do_what_they_say(name, tmp_path):
    text = (DOCS / f"{name}.md").read_text()
    for whole, less in FEWER[name]:
        assert whole in text, whole
        text = text.replace(whole, less)
    blocks = BLOCK.findall(text)
    assert blocks
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    run = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": path}, "capture_output": True, "text": True}
    for kind, file, code in blocks:
        if file:
            (tmp_path / file).write_text(code)
            continue
        kinema = f'kinema() {{ "{sys.executable}" -m kinema.cli "$@"; }}\nset -e\n'
        words = [sys.executable, "-c", code] if kind == "python" else ["bash", "-c", kinema + code]
        done = subprocess.run(words, **run)
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", sorted((DOCS / "tutorials").iterdir()), ids=lambda page: page.stem)
def test_a_notebook_has_all_that_its_page_has(page):
    import nbformat

    made = runpy.run_path(str(DOCS / "notebooks.py"))["notebook"](page.read_text())
    nbformat.validate(made)
    install, *code = (cell.source for cell in made.cells if cell.cell_type == "code")
    assert install.startswith("%pip install")
    marks = {"sh": "%%sh\n", "python": ""}
    assert code == [
        (f"%%writefile {file}\n" if file else marks[kind]) + text.rstrip("\n")
        for kind, file, text in BLOCK.findall(page.read_text())
    ]
    assert not re.search(r"\]\((?!https?://)", "".join(cell.source for cell in made.cells))


def test_every_tutorial_is_tested():
    assert {f"tutorials/{path.stem}" for path in (DOCS / "tutorials").iterdir()} == {
        name for name in FEWER if name.startswith("tutorials/")
    }
