"""Things by name: what is registered, and what packages offer by entry points."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from kinema.common.registry import Registry
from kinema.errors import ConfigError


class Tool:
    """What the registry of these tests holds."""


class Hammer(Tool):
    """One of kinema's own."""


class Saw(Tool):
    """One that a program registers."""


@pytest.fixture
def tools() -> Registry[type[Tool]]:
    return Registry("tool", "kinema.tools", {"hammer": Hammer}, Tool)


@pytest.fixture
def offer(tmp_path, monkeypatch):
    """Makes a package that is installed, with a module and entry points."""

    def make(package: str, entries: str, body: str = "") -> Path:
        folder = tmp_path / package
        about = folder / f"{package}-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[kinema.tools]\n{entries}\n")
        (folder / f"{package}_tools.py").write_text(body)
        monkeypatch.syspath_prepend(str(folder))
        return folder

    return make


BODY = "from tests_of_registry import Tool\nclass Drill(Tool): pass\n"


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """This module under a name that packages can import."""
    monkeypatch.setitem(sys.modules, "tests_of_registry", sys.modules[__name__])


def refused(tools: Registry[type[Tool]], name: str) -> str:
    with pytest.raises(ConfigError) as caught:
        tools.get(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_registered(tools):
    assert tools.register("saw")(Saw) is Saw
    assert tools.get("saw") is Saw and tools.get("hammer") is Hammer
    assert tools.names() == ["hammer", "saw"]
    tools.register("saw")(Saw)  # a module that is loaded anew
    assert refused(tools, "sow") == "unknown tool 'sow': did you mean saw?"
    assert refused(tools, "plane") == "unknown tool 'plane': choose one of hammer, saw"


@pytest.mark.parametrize(
    ("name", "thing", "words"),
    [
        ("hammer", Saw, "there is a tool 'hammer' already: choose another name"),
        ("saw", Hammer, "there is a tool 'saw' already: choose another name"),
        ("a:b", Saw, "'a:b' is no name for a tool: begin with a letter or digit"),
        ("", Saw, "'' is no name for a tool"),
        ("rule", 3, "the tool 'rule' is 3: it must be a class derived from"),
        ("rule", int, "it must be a class derived from"),
        ("rule", print, "it must be a class derived from"),
    ],
)
def test_what_cannot_be_registered(tools, name, thing, words):
    tools.register("saw")(Saw)
    with pytest.raises(ConfigError, match=words):
        tools.register(name)(thing)
    assert tools.names() == ["hammer", "saw"] and tools.get("saw") is Saw


def test_functions_serve_where_things_are_made():
    tools: Registry = Registry("tool", "kinema.tools", {}, Tool, made=True)
    made = tools.register("made")(lambda: Hammer())
    assert tools.get("made") is made
    with pytest.raises(ConfigError, match="or a function that gives one"):
        tools.register("number")(int)


def test_a_package_is_imported_when_its_thing_is_asked_for(tools, offer):
    offer("workshop", "drill = workshop_tools:Drill", BODY)
    assert tools.names() == ["hammer", "drill"] and tools.offers() == {"drill": "workshop"}
    assert "workshop_tools" not in sys.modules
    assert tools.get("drill").__name__ == "Drill"
    with pytest.raises(ConfigError, match="there is a tool 'drill' already"):
        tools.register("drill")(Saw)


def test_a_package_may_register_what_it_offers(tools, offer, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "tools", tools, raising=False)
    body = "from tests_of_registry import Tool, tools\n@tools.register('drill')\nclass Drill(Tool): pass\n"
    offer("decorated", "drill = decorated_tools:Drill", body)
    assert tools.get("drill").__module__ == "decorated_tools"


@pytest.mark.parametrize(
    ("entry", "body", "words"),
    [
        ("drill = absent_tools:Drill", "", "cannot be loaded (ModuleNotFoundError: No module named 'absent_tools')"),
        ("drill = broken_tools:Drill", "1 / 0\n", "cannot be loaded (ZeroDivisionError: division by zero)"),
        ("drill = broken_tools:Drill", "raise SystemExit(3)\n", "cannot be loaded (SystemExit: 3)"),
        ("drill = ???", "", "cannot be loaded ("),
        ("drill = broken_tools:Drill", "Dril = 3\n", "cannot be loaded (AttributeError: "),
        ("drill = broken_tools:Drill", "Drill = 3\n", "is 3: it must be a class derived from"),
    ],
)
def test_a_broken_package_is_named_and_in_nobodys_way(tools, offer, entry, body, words):
    offer("broken", entry, body)
    said = refused(tools, "drill")
    assert said.startswith("the tool 'drill' of the package broken ") and words in said
    assert tools.get("hammer") is Hammer and tools.register("saw")(Saw) is Saw
    sys.modules.pop("broken_tools", None)


def test_names_that_are_taken(tools, offer):
    offer("first", "drill = first_tools:Drill", BODY)
    offer("second", "drill = second_tools:Drill\nhammer = second_tools:Drill\nodd(name = second_tools:Drill", BODY)
    assert tools.get("hammer") is Hammer  # whatever packages offer
    with pytest.warns(UserWarning, match="is passed over") as said:
        assert tools.names() == ["hammer", "drill"]
    texts = [str(warning.message) for warning in said]
    assert "the tool 'hammer' of the package second is passed over: kinema has a tool of that name" in texts
    assert "the tool 'odd(name' of the package second is passed over: that is no name" in texts
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert refused(tools, "drill") == "first and second both offer a tool 'drill': uninstall all but one"


def test_help_looks_for_no_packages():
    code = (
        "import importlib.metadata as m\n"
        "def refuse(*_, **__): raise SystemExit('asked')\n"
        "m.entry_points = refuse\n"
        "from kinema.cli import main\n"
        "import sys\nsys.exit(main(['--help']) or 'kinema.common.registry' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_package_that_is_half_installed_is_called_by_what_it_offers(tools, offer):
    (offer("half", "drill = half_tools:Drill", "1 / 0\n") / "half-1.0.dist-info/METADATA").unlink()
    assert "of the package half_tools:Drill cannot be loaded" in refused(tools, "drill")
    assert tools.offers() == {"drill": "half_tools:Drill"}
