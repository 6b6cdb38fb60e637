from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import instar
from instar.core.errors import UserError
from instar.core.events import Event, Noted, Worked
from instar.inference import fitting, memory
from instar.inference.tiles import whole
from instar.inference.tiles.sizes import TILES
from instar.inference.translator import Translator

Runs = Callable[..., Path]
MEBI = 2**20


@pytest.fixture
def model(run_directory: Runs) -> Translator:
    return instar.load(run_directory("cyclegan"), "cpu")


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Takes so many bytes of memory to be free, and asks for the memory of images of 1000 pixels and more."""

    def take(size: int) -> None:
        monkeypatch.setattr(fitting, "ALWAYS_FITS", 1000)
        for module in (memory, whole):
            monkeypatch.setattr(module, "free_bytes", lambda _: size)

    return take


def noise(height: int = 200, width: int = 150) -> Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_an_image_that_will_not_fit_is_refused_before_it_starts(
    model: Translator, free: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = noise()
    need = model._cost("b").bytes * x[0].numel()
    free(int(need))  # what allocators take beyond is missing
    monkeypatch.setattr(model.method, "translate", pytest.fail)
    monkeypatch.setattr(whole, "planned", lambda *_: None)
    with pytest.raises(UserError, match=r"^150 x 200 px need about .* are free; set tile=auto, or a lower size$"):
        model.translate(x)
    monkeypatch.undo()
    free(int(1.3 * need))
    assert model.translate(x).shape == x.shape


def test_who_cannot_take_tiles_is_not_told_to(run_directory: Runs, free: Callable[[int], None]) -> None:
    model = instar.load(run_directory("transgaga"), "cpu")
    model._cost("b")
    free(1000)
    with pytest.raises(UserError, match=r"are free; set a lower size$"):
        model.translate(noise())
    with pytest.raises(UserError, match=r"^tile=auto: this method cannot be run in tiles"):
        model.translate(noise(), tile="auto")


def test_auto_takes_tiles_where_the_whole_does_not_fit(model: Translator, free: Callable[[int], None]) -> None:
    x = noise()
    plain = model.translate(x)
    for size, tiles in ((2**30, False), (int(model._cost("b").bytes * x[0].numel()), True)):
        free(size)
        heard: list[Event] = []
        out = model.translate(x, tile="auto", on_event=heard.append)
        assert bool(heard) == tiles
        torch.testing.assert_close(out, plain, atol=1e-4, rtol=0)


def test_events_tell_what_it_takes_and_how_far_it_is(model: Translator) -> None:
    heard: list[Event] = []
    model.translate(noise(), tile=64, on_event=heard.append)
    first, *others = heard
    assert isinstance(first, Noted)
    assert first.text.startswith("150 x 200 px in tiles of 64 px: about 0.0 GB of memory, and less than two minutes")
    worked = [event for event in others if isinstance(event, Worked)]
    assert len(worked) == len(others)
    assert {(event.what, event.total) for event in worked} == {(TILES, len(worked) - 1)}
    assert [event.done for event in worked] == list(range(len(worked)))


def test_what_goes_beyond_the_memory_lies_on_disk(
    model: Translator, free: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(whole.tempfile, "tempdir", str(tmp_path))
    x = noise()
    plain = model.translate(x)
    model._cost("b")
    free(MEBI)
    heard: list[Event] = []
    out = model.translate(x, tile=64, on_event=heard.append)
    assert f"GB of disk in {tmp_path}" in str(heard[0])
    torch.testing.assert_close(out, plain, atol=1e-4, rtol=0)
    assert not any(tmp_path.iterdir())
    usage = whole.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(whole.shutil, "disk_usage", lambda _: usage._replace(free=10))
    with pytest.raises(UserError, match="set the environment variable TMPDIR to a folder with more"):
        model.translate(x, tile=64)


def test_even_tiles_need_some_memory(model: Translator, free: Callable[[int], None]) -> None:
    model._cost("b")
    free(1000)
    with pytest.raises(UserError, match=r"in tiles of 64 px need about .* set a smaller tile or a lower size$"):
        model.translate(noise(), tile="auto")


@pytest.mark.parametrize(
    ("tile", "message"),
    [
        (63, "tile must be at least 64, not 63"),
        (0, "tile must be at least 64, not 0"),
        ("large", "tile=large: give tile=auto or a number of pixels"),
        (True, "tile=True: give tile=auto or a number of pixels"),
        (512.0, "tile=512: give tile=auto or a number of pixels"),
    ],
)
def test_what_is_no_tile(model: Translator, tile: object, message: str) -> None:
    with pytest.raises(UserError) as error:
        model.translate(noise(), tile=tile)  # type: ignore[call-overload]
    assert str(error.value) == message
