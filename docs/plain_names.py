"""A hook of MkDocs: what docstrings have of Sphinx's marks as a reader expects it, roles as plain code."""

from __future__ import annotations

import re
from typing import Any

ROLE = re.compile(r":(?:func|class|meth|mod|data|attr):<code>~?([^<]*)</code>")


def on_page_content(html: str, **_: Any) -> str:
    """A page without roles, and without the second colon before an example."""
    return ROLE.sub(r"<code>\1</code>", html).replace("::</p>", ":</p>")
