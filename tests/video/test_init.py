from __future__ import annotations

import subprocess
import sys

import pytest

import kinema.video


def test_importing_the_room_loads_nothing_heavy() -> None:
    code = "import sys, kinema.video; print([name for name in ('torch', 'av', 'numpy', 'cv2') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    code = "import sys; from kinema.video import *; print([name for name in ('torch', 'cv2') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_every_public_name_is_there() -> None:
    assert all(getattr(kinema.video, name).__module__.startswith("kinema.video.") for name in kinema.video.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = kinema.video.nothing
