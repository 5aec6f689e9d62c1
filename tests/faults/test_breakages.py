"""Every breakage still has something to break."""

from __future__ import annotations

import pytest

from tests.faults.breakages import BREAKAGES, ROOT, Breakage


@pytest.mark.parametrize("breakage", BREAKAGES.values(), ids=list(BREAKAGES))
def test_what_a_breakage_takes_out_is_there_once_and_its_tests_are_there(breakage: Breakage):
    assert (ROOT / breakage.file).read_text().count(breakage.old) == 1
    for test in breakage.tests:
        file, _, name = test.partition("::")
        assert f"def {name}" in (ROOT / file).read_text()
