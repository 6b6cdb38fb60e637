from instar.cli.flags import spell
from instar.core.errors import Message, setting
from instar.evaluation.report import Column, Report
from instar.evaluation.score import Score
from instar.reports.intervals import Bar, Interval, Scale
from instar.reports.scores import page


def test_a_page_of_scores() -> None:
    columns = [
        Column("copy of the input", [Score("KID", 0.5, "lower", 0.4, 0.6)]),
        Column("last", [Score("KID", 0.25, "lower", 0.2, 0.3), Score("PSNR", 25.0, "higher")], 1200, 3.0, "<worse>"),
    ]
    notes = [Message(f"give {setting('data.size', 64)}")]
    text = page(Report("runs/<b>", "CUT", "a -> b", "MobileNet", columns, notes), spell)
    body = text.split("</style>")[1]
    assert "<b>" not in body
    assert "&lt;worse&gt;" in body
    assert "KID ↓" in body
    assert "0.2500<br><small>0.2000 to 0.3000</small>" in body
    assert "PSNR ↑" in body
    assert "25.0" in body
    assert "step 1,200" in body
    assert "give --size 64" in body
    assert body.count('class="interval"') == 2
    assert "--left:0.0%;--width:25.0%;--value:12.5%" in body
    assert "http" not in body


def test_scales() -> None:
    intervals = [Interval(5, 0, 10), None, Interval(20), Interval(12, 10, 15)]
    scale = Scale.of(intervals)
    assert [scale.bar(one) for one in intervals] == [Bar(0, 50, 25), None, None, Bar(50, 25, 60)]
    assert Scale.of([]).bar(Interval(1, 0, 2)) is None
    assert Scale.of([Interval(1, 1, 1)]).bar(Interval(1, 1, 1)) is None
