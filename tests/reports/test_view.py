import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from instar.cli.flags import spell
from instar.core.errors import UserError
from instar.core.events import Finished, Noted, Pictured, Started, Stepped
from instar.core.files import lock
from instar.reports import view
from instar.reports.view import POINTS, ViewPage, write
from reports import viewed


def held(page: Path) -> list[dict[str, Any]]:
    found = re.search(r'<script type="application/json" id="runs">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found
    runs: list[dict[str, Any]] = json.loads(found[1])
    return runs


def test_what_the_page_of_a_run_says(tmp_path: Path) -> None:
    run = viewed.make(tmp_path / "first")
    write([run], run / "index.html", spell)
    (one,) = held(run / "index.html")
    assert (one["step"], one["steps"], one["state"], one["left"]) == (4, 10, "stopped", None)
    assert one["samples"] == [{"step": step, "src": f"samples/step-{step:09d}.png"} for step in (0, 2, 4)]
    assert [row["label"] for row in one["sheet"]["rows"]] == ["horse", "to zebra & <b>", "zebra & <b>", "to horse"]
    assert [row["input"] for row in one["sheet"]["rows"]] == [0, 0, 2, 2]
    assert (one["sheet"]["columns"], one["sheet"]["width"]) == (4, 138)
    assert one["curves"]["G"]["gan_g"] == [[step, pytest.approx(1 / (step + 1), rel=1e-4)] for step in range(1, 5)]
    assert set(one["curves"]) == {"G", "D"}
    assert one["scores"] == {"Colours-KID": [[4, 0.25]], "held-out/change (L1)": [[4, 12.5]]}
    assert one["copies"] == {"Colours-KID": 0.5}
    assert {"name": "--steps", "value": "10", "preset": "20"} in one["changes"]
    assert not any("from" in row["name"] for row in one["changes"])
    assert [line["level"] for line in one["lines"]] == ["info", "warning"]
    assert f"instar train --resume {run}" in one["commands"]
    text = (run / "index.html").read_text()
    assert "<img src=x>" not in text
    assert "://" not in text.replace("http://www.w3.org/2000/svg", "")


def test_time_left_and_state(tmp_path: Path) -> None:
    run = viewed.make(tmp_path / "first")
    write([run], run / "index.html", state="training")
    assert held(run / "index.html")[0]["left"] == pytest.approx(30 * 6)
    assert "about 3 min left" in (run / "index.html").read_text()
    (run / ".lock").touch()
    with (run / ".lock").open("r+b") as file:
        assert lock(file)
        write([run], run / "index.html")
        assert held(run / "index.html")[0]["state"] == "training"
    write([run], run / "index.html")
    assert held(run / "index.html")[0]["state"] == "stopped"
    done = viewed.make(tmp_path / "done", steps=10)
    write([done], done / "index.html", spell)
    (one,) = held(done / "index.html")
    assert one["state"] == "finished"
    assert not any("--resume" in command for command in one["commands"])


def test_several_runs_and_where_they_differ(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    runs = [viewed.make(tmp_path / "a b"), viewed.make(tmp_path / "c", steps=6, cycle_x=3.0)]
    write(runs, tmp_path / "pages" / "both.html", spell)
    one, two = held(tmp_path / "pages" / "both.html")
    assert one["samples"][0]["src"] == "../a%20b/samples/step-000000000.png"
    assert len(two["samples"]) == 4
    text = (tmp_path / "pages" / "both.html").read_text()
    table = text.split("Settings that differ</h2>")[1].split("</table>")[0]
    assert re.findall(r"<code>(.*?)</code>", table) == ["--method.cycle-x"]
    assert re.findall(r"<td>(.*?)</td>", table) == ["10.0", "3.0"]


def test_an_empty_and_a_damaged_run(tmp_path: Path) -> None:
    run = viewed.make(tmp_path / "first")
    for path in (run / "samples").iterdir():
        path.write_bytes(b"no picture")
    (run / "metrics.jsonl").write_bytes(b"\xff\xfe\n[1]\n3\n")
    (run / "copies.json").write_text("[]")
    (run / "run.log").unlink()
    write([run], run / "index.html")
    (one,) = held(run / "index.html")
    assert one["sheet"] is None
    assert one["curves"] == {}
    with pytest.raises(UserError, match="not a run directory"):
        write([tmp_path], tmp_path / "page.html")


def test_long_curves_are_thinned_to_means() -> None:
    points = [[float(step), float(step % 2)] for step in range(1, 10_001)]
    thinned = view._thinned(points)
    assert len(thinned) <= POINTS
    assert thinned[-1][0] == 10_000
    assert all(0.4 < value < 0.6 for _, value in thinned)
    assert view._thinned(points[:POINTS]) == points[:POINTS]


def test_the_listener_writes_now_and_then_and_never_stops_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = viewed.make(tmp_path / "first")
    said: list[Any] = []
    times = iter([100.0, 100.02, 101.0, 106.0, 106.5, 150.0, 157.0, 157.0, 158.0, 158.0])
    monkeypatch.setattr(view.time, "monotonic", lambda: next(times))
    listener = ViewPage(run, said.append)
    page = run / "index.html"
    listener(Stepped(1, 0.0))
    assert not page.exists()
    listener(Started(run, "cyclegan", 0, 10, 1, "cpu"))
    assert held(page)[0]["state"] == "training"
    page.unlink()
    pictured = Pictured(2, None, None)  # type: ignore[arg-type]
    listener(pictured)
    assert not page.exists(), "a second later"
    listener(pictured)
    assert page.exists()
    page.unlink()
    listener(pictured)
    assert not page.exists(), "the last one took half a second: 1 % of the time is not yet over"
    listener(Finished(10, True, 300.0))
    assert held(page)[0]["state"] == "finished"
    (run / "config.yaml").unlink()
    listener(Finished(10, True, 300.0))
    listener(Finished(10, True, 300.0))
    assert [type(event) for event in said] == [Noted]
    assert "training goes on" in said[0].text


@pytest.mark.skipif(os.name == "nt", reason="links")
def test_a_page_is_not_written_through_a_link(tmp_path: Path) -> None:
    run = viewed.make(tmp_path / "first")
    (tmp_path / "other").write_text("mine")
    (run / "index.html").symlink_to(tmp_path / "other")
    write([run], run / "index.html")
    assert (tmp_path / "other").read_text() == "mine"
