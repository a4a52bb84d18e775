"""Print a constraints file with the lowest version that pyproject.toml allows of each package that kinema asks for.

    python ci/lowest.py > lowest.txt && pip install -c lowest.txt ".[all]"

A package named as an argument is left out, such as torch where another of its versions is installed already.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

BOUND = re.compile(r"^(?P<name>[\w.-]+)(\[[\w,]+\])?>=(?P<version>[\w.]+)")


def lowest(project: dict, left_out: list[str]) -> list[str]:
    """The lines of the constraints file."""
    asked = project["dependencies"] + [
        package
        for extra, packages in project["optional-dependencies"].items()
        if extra not in ("dev", "docs")  # which are for who works on kinema
        for package in packages
        if not package.startswith("kinema[")
    ]
    lines = []
    for package in asked:
        found = BOUND.match(package)
        if found is None:
            raise SystemExit(f"pyproject.toml asks for {package!r} without a lower bound; write NAME>=VERSION")
        if found["name"] not in left_out:
            lines.append(f"{found['name']}=={found['version']}")
    return lines


if __name__ == "__main__":
    file = Path(__file__).parents[1] / "pyproject.toml"
    print(*lowest(tomllib.loads(file.read_text())["project"], sys.argv[1:]), sep="\n")
