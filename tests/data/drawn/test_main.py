import pytest

from instar.data.drawn import sets
from instar.data.drawn.__main__ import main


def test_a_set_is_written(tmp_path):
    out = tmp_path / "ears"
    assert main(["ears", str(out), "easy", "64", "1", "2"]) == 0
    assert len(list((out / "trainB").iterdir())) == 1
    found = sets.read(out)
    assert (found.kind.name, found.level, found.size, list(found.inputs)) == ("ears", "easy", 64, ["0000", "0001"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["eers", "OUT"], "there is no drawn set 'eers'; did you mean 'ears'"),
        (["ears", "OUT", "esy"], "there is no level 'esy'; did you mean 'easy'"),
        (["ears", "OUT", "easy", "32"], "drawn sets are 64 px or more, not 32"),
        (["ears", "."], "exists already; choose another folder"),
        (["ears", "file/out", "easy", "64", "1", "1"], "cannot be written"),
    ],
)
def test_what_cannot_be_drawn(arguments, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err
