from __future__ import annotations

import subprocess
import sys

import pytest

import kinema.evaluation


def test_importing_the_room_is_cheap():
    code = "import sys, kinema.evaluation; sys.exit(bool({'torch', 'numpy', 'sklearn', 'av'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_exists():
    for name in kinema.evaluation.__all__:
        assert getattr(kinema.evaluation, name).__doc__
    assert dir(kinema.evaluation) == kinema.evaluation.__all__
    with pytest.raises(AttributeError, match="no attribute 'finetune'"):
        _ = kinema.evaluation.finetune
