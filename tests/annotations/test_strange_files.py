"""Files of strangers: whatever they hold is read or refused, and nothing else is raised."""

from __future__ import annotations

import copy
import json
import tempfile
import xml.etree.ElementTree as ET
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kinema.annotations import LabelledVideos, read_intervals
from kinema.errors import KinemaError

SAMPLES = Path(__file__).parent / "samples"
OF_JSON = [one.name for one in sorted(SAMPLES.iterdir()) if one.suffix in (".json", ".boris")]
OF_XML = [one.name for one in sorted(SAMPLES.iterdir()) if one.suffix in (".xml", ".eaf")]
OF_TABLES = ["events.tsv", "intervals.csv"]
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
quick = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def read(name, text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        with suppress(KinemaError):
            read_intervals(path, videos=LabelledVideos(fps=25))


def places(value, above=()):
    """The keys that lead to each value within a value of JSON."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inside:
        yield (*above, key)
        yield from places(below, (*above, key))


@pytest.mark.parametrize("name", OF_JSON)
@given(data=st.data())
@quick
def test_json_with_another_value_somewhere(name, data):
    content = copy.deepcopy(json.loads((SAMPLES / name).read_text()))
    *above, key = data.draw(st.sampled_from(list(places(content))))
    holder = content
    for step in above:
        holder = holder[step]
    if data.draw(st.booleans()):
        holder[key] = data.draw(odd)
    else:
        del holder[key]
    read(name, json.dumps(content))


@pytest.mark.parametrize("name", OF_XML)
@given(data=st.data())
@quick
def test_xml_with_another_attribute_somewhere(name, data):
    root = ET.parse(SAMPLES / name).getroot()
    one = data.draw(st.sampled_from(list(root.iter())))
    if one.attrib and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(one.attrib)))
        one.attrib.update({key: data.draw(st.sampled_from(["", "-1", "x", "1e999", "nan", "9" * 30]))})
    elif one is not root and data.draw(st.booleans()):
        one.clear()
    else:
        one.text = data.draw(st.sampled_from(["", "-1", "x", "1e999"]))
    read(name, ET.tostring(root, "unicode"))


@pytest.mark.parametrize("name", OF_TABLES)
@given(st.integers(0, 600), st.integers(0, 40), st.text(max_size=6))
@example(0, 1000, "")
@quick
def test_tables_with_other_text_somewhere(name, start, length, text):
    whole = (SAMPLES / name).read_text()
    read(name, whole[:start] + text + whole[start + length :])
