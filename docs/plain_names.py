"""A hook of MkDocs: names in docstrings, which Sphinx would link by their role, as plain code."""

from __future__ import annotations

import re
from typing import Any

ROLE = re.compile(r":(?:func|class|meth|mod|data|attr):<code>~?([^<]*)</code>")


def on_page_content(html: str, **_: Any) -> str:
    """A page without roles."""
    return ROLE.sub(r"<code>\1</code>", html)
