import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from instar.core.errors import UserError
from instar.core.formats import DomainFormat
from instar.core.reading import UnreadableImage
from instar.core.run import read_config
from instar.data import ImageRef
from instar.evaluation.held_out import AHEAD, BATCH, HeldOut, held_out, loaded, squares

from .parts import data_set, noise

COLOUR = DomainFormat(channels=3)

Runs = Callable[..., Path]


def refs(folder: Path) -> list[ImageRef]:
    return [ImageRef(folder / f"{i}.png") for i in range(len(list(folder.iterdir())))]


def test_results_come_in_order_and_few_batches_ahead() -> None:
    begun: list[int] = []
    count = BATCH * (AHEAD + 4) + 3

    def load(i: int) -> int:
        begun.append(i)
        time.sleep(0.002 * (i % 3))
        if i % 7 == 0:
            raise UnreadableImage(Path(f"{i}.png"), "broken")
        return i

    batches = loaded(range(count), load)
    first = next(batches)
    assert first == [i for i in range(BATCH) if i % 7]
    assert max(begun) < BATCH * (AHEAD + 1)
    assert [i for batch in [first, *batches] for i in batch] == [i for i in range(count) if i % 7]


def test_nothing_to_load_and_nothing_readable() -> None:
    def broken(i: int) -> int:
        raise UnreadableImage(Path(f"{i}.png"), "broken")

    assert list(loaded([], broken)) == []
    with pytest.raises(UserError, match=r"none of the 30 images can be read, 0\.png: broken"):
        list(loaded(range(30), broken))


@pytest.mark.parametrize(("count", "bad", "refused"), [(40, 20, False), (40, 21, True), (3, 1, False), (1, 0, False)])
def test_a_share_of_unreadable_images_above_which_nothing_is_scored(count: int, bad: int, refused: bool) -> None:
    def load(i: int) -> int:
        if i < bad:
            raise UnreadableImage(Path(f"{i}.png"), "broken")
        return i

    if not refused:
        assert [i for batch in loaded(range(count), load) for i in batch] == list(range(bad, count))
        return
    with pytest.raises(UserError, match=rf"only {count - bad} of the {count} images can be read, 0\.png: broken"):
        list(loaded(range(count), load))


def test_a_reader_that_stops_early_leaves_no_work_behind() -> None:
    done: list[int] = []

    def load(i: int) -> int:
        time.sleep(0.01)
        done.append(i)
        return i

    batches = loaded(range(BATCH * 3), load)
    next(batches)
    batches.close()
    count = len(done)
    time.sleep(0.05)
    assert len(done) == count < BATCH * 3


def test_pairs_stay_pairs_where_one_cannot_be_read(tmp_path: Path) -> None:
    a, b = noise(tmp_path / "a", 5), noise(tmp_path / "b", 5, 100, 200)
    (b / "3.png").write_bytes(b"broken")
    images = HeldOut(refs(a), refs(b), 32, (COLOUR, COLOUR), True, ("a", "b"))
    ((places, x, truth),) = images.rows()
    assert places == [0, 1, 2, 4]
    readable = [ref for i, ref in enumerate(refs(a)) if i != 3]
    assert torch.equal(x, torch.cat(list(squares(readable, COLOUR, 32))))
    assert truth is not None
    assert len(truth) == 4
    alone = HeldOut(refs(a), refs(b), 32, (COLOUR, COLOUR), False, ("a", "b"))
    assert [(len(x), truth) for x, truth in alone.batches()] == [(5, None)]


def test_the_direction_and_the_training_images(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set")
    config = read_config(run_directory("cyclegan") / "config.yaml")
    there, back = (held_out(config, (data,), to) for to in ("b", "a"))
    assert (there.names, back.names) == (("horse", "zebra"), ("zebra", "horse"))
    assert there.inputs == back.targets
    assert there.training == back.training[::-1]
    assert {ref.path.parts[-3:-1] for ref in there.training[0]} == {("train", "horse")}
    assert not there.paired
    assert held_out(config, (data,), "b", pairs=True).paired


def test_one_folder_has_no_label_maps(run_directory: Runs, tmp_path: Path) -> None:
    config = read_config(run_directory("tunit") / "config.yaml")
    with pytest.raises(UserError, match=r"tunit takes one folder, .* leave out palette, segmenter"):
        held_out(config, (noise(tmp_path / "all", 8),), "b", pairs=True)
