"""Charts that live inside a page, each as one SVG element."""

from __future__ import annotations

import hashlib
import io
import re
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from kinema.report.pictures import themed


def figure_svg(figure: Figure, description: str) -> Markup:
    """Return a figure as an SVG element to stand inside a page.

    Colours of :data:`PALETTE` turn into the page's variables, so one drawing serves light and dark paper; text stays
    text, in the page's font.

    Args:
        figure: drawn with the light colours of :data:`PALETTE`.
        description: what somebody who cannot see the figure is told.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "kinema"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    source = themed(buffer.getvalue())
    root = ElementTree.fromstring(source)
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag.endswith(("}metadata", "}style"))]:
            parent.remove(child)
    # Several figures share one page, so the names of their parts must differ from figure to figure.
    prefix = "f" + hashlib.sha256((source + description).encode(errors="surrogateescape")).hexdigest()[:8]
    used = set(re.findall(r"#([\w.-]+)[\")]", source))
    for element in root.iter():
        attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
        if attributes.get("id", "") not in used:
            attributes.pop("id", None)
        elif "id" in attributes:
            attributes["id"] = f"{prefix}-{attributes['id']}"
        for key in ("href", "clip-path"):
            if key in attributes:
                attributes[key] = attributes[key].replace("#", f"#{prefix}-")
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = attributes
    width, height = figure.get_size_inches() * 72
    root.attrib = {
        "viewBox": f"0 0 {width:g} {height:g}",
        "class": "figure",
        "role": "img",
        "aria-label": description,
        "style": f"max-width: {width * 1.35:.0f}px",
    }
    return Markup(ElementTree.tostring(root, encoding="unicode"))
