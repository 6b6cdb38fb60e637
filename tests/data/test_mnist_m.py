"""Digits blended with photographs."""

from pathlib import Path

import numpy as np
import pytest

from data.test_digits import some, write_mnist
from instar.core.errors import UserError
from instar.data import digits
from instar.data.mnist_m import blend, main, write


def test_the_difference_of_patch_and_digit() -> None:
    numbers = some(50, 28, 28)
    gray = [np.full((40, 30, 3), value, np.uint8) for value in (0, 255)]
    out = blend(numbers, gray)
    assert out.shape == (50, 28, 28, 3)
    plain = (out == numbers[..., None]).all((1, 2, 3))
    inverted = (out == 255 - numbers[..., None]).all((1, 2, 3))
    assert (plain ^ inverted).all()
    assert 10 < plain.sum() < 40


def test_patches_lie_anywhere_in_the_photograph() -> None:
    rows, columns = np.indices((31, 33))
    photograph = np.stack([rows, columns, rows * 0], 2).astype(np.uint8)
    corners = blend(np.zeros((400, 28, 28), np.uint8), [photograph])[:, 0, 0]
    assert set(corners[:, 0]) == set(range(4))
    assert set(corners[:, 1]) == set(range(6))


def test_the_same_every_time() -> None:
    photographs = [some(40, 50, 3, seed=i) for i in range(4)]
    numbers = some(6, 28, 28)
    assert np.array_equal(blend(numbers, photographs), blend(numbers, photographs))
    assert not np.array_equal(blend(numbers, photographs), blend(numbers, photographs, seed=1))


def test_command(tmp_path: Path, make) -> None:
    mnist = write_mnist(tmp_path / "mnist")
    photographs = make(*(f"{i}.png" for i in range(5)), size=(30, 28))
    out = tmp_path / "made" / "mnist_m.npz"
    assert main([str(mnist), str(photographs), str(out)]) == 0
    assert [path.name for path in out.parent.iterdir()] == ["mnist_m.npz"]
    found, original = digits.at(out), digits.at(mnist)
    assert found
    assert original
    assert found.test
    assert original.test
    assert digits.pixels(out, "x_train").shape == (20, 28, 28, 3)
    assert digits.labels(found.test) == digits.labels(original.test)
    first = out.read_bytes()
    write(mnist, photographs, out)
    assert out.read_bytes() == first


@pytest.mark.parametrize(
    ("count", "side", "out", "message"),
    [
        (1, 30, "a.npz", "1 photographs; at least 5"),
        (5, 30, "a.png", "ends with .npz"),
        (5, 20, "a.npz", "0.png is 20 x 20: too small for digits of 28 x 28"),
    ],
)
def test_what_cannot_be_blended(
    tmp_path: Path, make, capsys: pytest.CaptureFixture[str], count: int, side: int, out: str, message: str
) -> None:
    photographs = make(*(f"{i}.png" for i in range(count)), size=(side, side))
    with pytest.raises(SystemExit) as stop:
        main([str(write_mnist(tmp_path / "mnist")), str(photographs), str(tmp_path / out)])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    with pytest.raises(UserError, match="not the files of MNIST"):
        write(photographs, photographs, tmp_path / "a.npz")
