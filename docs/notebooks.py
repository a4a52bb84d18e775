"""A hook of MkDocs: each tutorial is a notebook, too, which its page links."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

import jupytext
import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

FOLDER = "tutorials"
HEADER = "---\njupyter:\n  kernelspec:\n    display_name: Python 3\n    language: python\n    name: python3\n---\n\n"
INSTALL = '%pip install --quiet "kinema[all]"'
LINK = re.compile(r"\[([^\]]+)\]\((?!https?://)[^)]+\)")


def notebook(markdown: str) -> nbformat.NotebookNode:
    """The notebook of a page: a shell runs its commands, and what has a title is written to a file of that name."""
    made = jupytext.reads(HEADER + LINK.sub(r"\1", markdown), fmt="md")
    for cell in made.cells:
        if title := cell.metadata.pop("title", None):
            cell.source = f"%%writefile {title}\n{cell.source}"
    made.cells.insert(1, nbformat.v4.new_code_cell(INSTALL, id="install"))
    return made


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The notebooks are files of the site."""
    for page in files.documentation_pages():
        name = PurePosixPath(page.src_uri)
        if name.parent.name == FOLDER:
            content = nbformat.writes(notebook(page.content_string))
            files.append(File.generated(config, str(name.with_suffix(".ipynb")), content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """A tutorial's page with a link to its notebook, below its title."""
    name = PurePosixPath(page.file.src_uri)
    if name.parent.name != FOLDER:
        return markdown
    title, _, rest = markdown.partition("\n")
    return f"{title}\n\n[This page as a notebook]({name.stem}.ipynb)\n{rest}"
