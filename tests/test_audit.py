"""The audit of dependencies says what it could not look at."""

import importlib.util
import json
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("audit", Path(__file__).resolve().parent.parent / "tools/audit.py")
assert SPEC
assert SPEC.loader
audit = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(audit)

GOOD = {"name": "numpy", "version": "2.0", "vulns": []}
BAD = {"name": "pillow", "version": "9.0", "vulns": [{"id": "PYSEC-1"}, {"id": "PYSEC-2"}]}
UNKNOWN = {"name": "torch", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "said", "code"),
    [
        ([GOOD], "packages audited: 1; known faults: 0", 0),
        ([GOOD, UNKNOWN], "packages audited: 1; known faults: 0; 1 could not be looked up", 0),
        ([GOOD, BAD], "packages audited: 2; known faults: 2\npillow 9.0: PYSEC-1\npillow 9.0: PYSEC-2", 1),
        (
            [UNKNOWN, UNKNOWN],
            "audit skipped: this registry knows of none of the 2 packages whether they have faults",
            0,
        ),
    ],
)
def test_what_it_says(packages: list[dict[str, object]], said: str, code: int) -> None:
    assert audit.verdict(json.dumps({"dependencies": packages}), "") == (said, code)


@pytest.mark.parametrize("report", ["", "not JSON", "{}"])
def test_without_the_network(report: str) -> None:
    line, code = audit.verdict(report, "Traceback\nConnectionError: no way\n")
    assert (line, code) == ("audit skipped: the faults could not be asked for (ConnectionError: no way)", 0)
