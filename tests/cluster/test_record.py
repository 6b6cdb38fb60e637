import os
from pathlib import Path

import pytest

from instar.cluster.record import FOLDER, Record, key
from instar.inference.jobs import Job
from instar.inference.manifest import Entry

OK = Entry("ok", {"width": 3, "height": 4, "mode": "RGB"}, "a,1\n", ("a note",))


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    found = []
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"image")
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / name).write_bytes(b"result")
        found.append(Job(str(tmp_path / name), name))
    (tmp_path / "c.txt").write_bytes(b"words")
    return [*found, Job(str(tmp_path / "c.txt"), "")]


def test_what_was_done_is_known(jobs: list[Job], tmp_path: Path) -> None:
    """A failure is not, nor is anything to a translation with other settings."""
    out = tmp_path / "out"
    entries = [OK, Entry("failed", {}, reason="no"), Entry("ignored", {"width": None})]
    Record(out, "one").write(jobs, entries)
    known = Record(out, "one").read()
    assert set(known) == {key(jobs[0]), key(jobs[2])}
    assert known[key(jobs[0])].entry == OK
    assert known[key(jobs[2])].entry == entries[2]
    assert all(known[key(job)].holds(job, out) for job in (jobs[0], jobs[2]))
    assert Record(out, "other").read() == {}


@pytest.mark.parametrize("changed", ["a.png", "out/a.png"])
@pytest.mark.parametrize("how", ["written", "removed"])
def test_other_inputs_and_results_do_not_hold(changed: str, how: str, jobs: list[Job], tmp_path: Path) -> None:
    out = tmp_path / "out"
    Record(out, "one").write(jobs, [OK, OK, Entry("ignored", {})])
    if how == "removed":
        (tmp_path / changed).unlink()
    else:
        (tmp_path / changed).write_bytes(b"more than before")
    known = Record(out, "one").read()
    assert [known[key(job)].holds(job, out) for job in jobs] == [False, True, True]


def test_the_last_record_of_a_job_counts(jobs: list[Job], tmp_path: Path) -> None:
    """A file that came to the folder moves others to another part."""
    record = Record(tmp_path / "out", "one")
    record.write(jobs, [OK, OK, Entry("ignored", {})])
    for path in (tmp_path / "out" / FOLDER).rglob("*.jsonl"):
        os.utime(path, (1, 1))
    record.write(jobs[:2], [OK._replace(notes=("newer",)), OK])
    assert record.read()[key(jobs[0])].entry.notes == ("newer",)


def test_a_damaged_record_is_none(jobs: list[Job], tmp_path: Path) -> None:
    record = Record(tmp_path / "out", "one")
    record.write(jobs, [OK, OK, Entry("ignored", {})])
    (file,) = (tmp_path / "out" / FOLDER).rglob("*.jsonl")
    whole = file.read_bytes()
    for damaged in (
        whole[: len(whole) // 2],
        b"[1]\n",
        b'["a", [[1, 2], null, [1, 2, 3, 4, 5]]]\n',
        b"\xff\n",
        b'{"a": 1}',
    ):
        file.write_bytes(damaged)
        assert record.read() == {}
