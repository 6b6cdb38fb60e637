import pytest

from instar.cli import main
from instar.core import registry
from instar.core.batch import ManyDomains, Paired, Unlabelled
from instar.core.method import defaults, outline


@pytest.fixture(autouse=True)
def usual_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_one_row_for_each_method(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["methods"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["method", "paper", "data", "directions", "styles"]
    rows = {line.split()[0]: line for line in lines[1 : lines.index("")]}
    assert list(rows) == registry.names()
    assert {"cut", "cyclegan", "pix2pix"} <= set(rows)
    for name, row in rows.items():
        method = registry.get(name)
        assert (str(method.paper.year) if method.paper else "no paper") in row
        assert ("pairs" in row) == issubclass(method.data, Paired)
        many = "  folders, unpaired" in row
        assert many == issubclass(method.data, ManyDomains)
        assert ["two folders" in row, "pairs" in row, "one folder" in row, many].count(True) == 1
        assert ("one folder" in row) == issubclass(method.data, Unlabelled)
        assert ("any to any" in row) == issubclass(method.data, Unlabelled | ManyDomains)
        by_default = outline(method, defaults(name, method, None).method)
        assert ("both ways" in row) == (len(by_default.targets) == 2 and not many)
        assert ("nothing" in row) == (not by_default.targets)
        assert ["one way" in row, "both ways" in row, "any to any" in row, "nothing" in row].count(True) == 1
    for name, words in (
        ("cut", "Park et al. 2020|two folders|one way"),
        ("cyclegan", "Zhu et al. 2017|two folders|both ways"),
        ("pix2pix", "Isola et al. 2017|pairs|one way"),
    ):
        assert all(word in rows[name] for word in words.split("|")), rows[name]
    assert "FastCUT is instar train cut --preset fastcut." in lines
    assert "instar train METHOD --help" in lines[-1]


def test_it_fits_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # or the table would be squeezed into whatever there is
    assert main.run(["methods"]) == 0
    assert max(len(line.rstrip()) for line in capsys.readouterr().out.splitlines()) <= 80
