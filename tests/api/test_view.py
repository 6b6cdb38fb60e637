from pathlib import Path

import pytest
from reports import viewed

import instar
from instar.core.errors import UserError


def test_view(tmp_path: Path) -> None:
    runs = [viewed.make(tmp_path / "one"), viewed.make(tmp_path / "two", "cut")]
    assert instar.view(runs[0]) == runs[0] / "index.html"
    assert "instar.resume" in (runs[0] / "index.html").read_text()
    assert instar.view(runs, tmp_path / "both.html") == tmp_path / "both.html"
    with pytest.raises(UserError, match="give the file of the page"):
        instar.view(runs)
    with pytest.raises(UserError, match=r"ends with \.html"):
        instar.view(runs, tmp_path / "both")
    with pytest.raises(UserError, match="there is no folder"):
        instar.view(runs, tmp_path / "no" / "both.html")
    with pytest.raises(UserError, match="not a run directory"):
        instar.view(tmp_path, tmp_path / "x.html")
    with pytest.raises(UserError, match="give a run"):
        instar.view([])
