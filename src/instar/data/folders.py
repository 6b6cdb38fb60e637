"""Which files belong to which domain: the layouts of folders that people have."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from instar.core import images
from instar.core.config import DataConfig
from instar.core.errors import UserError, nearest
from instar.data import layout
from instar.data.layout import Domain, Sides, Split
from instar.data.refs import Half, ImageRef


@dataclass(frozen=True)
class DataSet:
    """Two domains. In a paired set `train_b[i]` belongs to `train_a[i]`, and so in the test images."""

    name_a: str
    name_b: str
    train_a: list[ImageRef]
    train_b: list[ImageRef]
    test_a: list[ImageRef]
    test_b: list[ImageRef]
    paired: bool
    notes: list[str] = field(default_factory=list)
    """What the user should know, a line each."""
    val_a: list[ImageRef] = field(default_factory=list)
    """Images to score a run while it trains, of a val folder or kept from training: no training and no test images."""
    val_b: list[ImageRef] = field(default_factory=list)


def find(cfg: DataConfig, paired: bool) -> DataSet:
    """Find the images of both domains under `cfg.roots`.

    Two domains: folders trainA and trainB, train/A and train/B (any names), A and B, or two roots. Pairs: such
    folders with equal file names, train and trainannot, or files with A and B side by side. Test images are in
    folders that begin with test or else val; without any, the last few training images are kept for it. Validation
    images, if `cfg` asks for some, are those of val beside test, or else are kept from training.

    Raises:
        UserError: the folders hold no two domains, or no pairs; one line with the remedy.
    """
    found = layout.scan(cfg.roots)
    notes: list[str] = []
    if isinstance(found, Sides):
        data = _side_by_side(cfg, found, paired, notes)
    else:
        a, b = (found[i] for i in _direction(cfg, [domain.name for domain in found], cfg.roots[0]))
        if paired:
            train = _matched(a, b, "train", notes)
            test = _matched(a, b, "test", notes) if a.test and b.test else ([], [])
            val = _matched(a, b, "val", notes) if cfg.validation and a.val and b.val else ([], [])
        else:
            train, test, val = (a.train, b.train), (a.test, b.test), (a.val, b.val)
        data = DataSet(a.name, b.name, *train, *test, paired, notes, *val)
    return _with_validation(_hold_out(data, cfg.holdout), cfg.validation)


def find_one(cfg: DataConfig) -> DataSet:
    """Find the images of one folder, with all its sub-folders, as both domains of a data set.

    Test images are in a folder that begins with test or else val; without one, some images spread evenly over the
    others are kept for it.

    Raises:
        UserError: there is not one folder of images, or a direction is asked for.
    """
    found = layout.scan_one(cfg.roots)
    for flag, name in (("--from", cfg.source), ("--to", cfg.target)):
        if name not in (None, found.name):
            raise UserError(f"{flag} {name}: this method takes all images of a folder; leave out {flag}")
    train, test, notes = found.train, found.test, []
    if not test:
        kept = min(cfg.holdout, len(train) // 10)
        held = {i * len(train) // kept for i in range(kept)} if kept else set()
        test = [ref for i, ref in enumerate(train) if i in held]
        train = [ref for i, ref in enumerate(train) if i not in held]
        what = f"no test folder: {_count(kept, 'image')}, spread over all, kept from training for the sample pictures"
        notes = [what if kept else "there are no test images"]
    one = DataSet(found.name, found.name, train, train, test, test, False, notes, found.val, found.val)
    return _with_validation(one, cfg.validation)


def _direction(cfg: DataConfig, names: list[str], root: Path) -> tuple[int, int]:
    """Return which of `names` are a and b."""
    known = {name.casefold(): i for i, name in enumerate(names)}
    chosen: list[int | None] = []
    for flag, name in (("--from", cfg.source), ("--to", cfg.target)):
        if name is not None and name.casefold() not in known:
            raise UserError(f"{flag} {name}: no such domain in {root}{nearest(name, names)}")
        chosen.append(None if name is None else known[name.casefold()])
    source, target = chosen
    if len(names) > 2 and (source is None or target is None):
        raise UserError(f"{root} holds {len(names)} domains ({', '.join(names)}): choose two with --from and --to")
    if source is None:
        source = 0 if target is None else 1 - target
    if target is None:
        target = 1 - source
    if source == target:
        raise UserError(f"--from and --to are both {names[source]}: choose two domains of {', '.join(names)}")
    return source, target


def _matched(a: Domain, b: Domain, split: Split, notes: list[str]) -> tuple[list[ImageRef], list[ImageRef]]:
    """Pair the files of two folders that have the same name but for the suffix."""
    by_name_a, by_name_b = _by_name(a, split), _by_name(b, split)
    common = [name for name in by_name_a if name in by_name_b]
    if not common:
        first, second = (domain.refs(split)[0].path.name for domain in (a, b))
        raise UserError(
            f"no {split} image of {a.name} has the name of one of {b.name}: {first} against {second}; "
            "pairs are matched by file name without the suffix"
        )
    files_a, files_b = [by_name_a[name] for name in common], [by_name_b[name] for name in common]
    for domain, used in ((a, set(files_a)), (b, set(files_b))):
        left = [ref for ref in domain.refs(split) if ref not in used]
        if left:
            notes.append(f"{_count(len(left), f'{split} image')} of {domain.name} without a partner: {_some(left)}")
    return files_a, files_b


def _by_name(domain: Domain, split: Split) -> dict[str, ImageRef]:
    """Return the images by their path without suffix; of "1.jpg" and "1.png" the first counts."""
    keyed: dict[str, ImageRef] = {}
    for ref in domain.refs(split):
        inside = "" if ref.entry else ref.path.relative_to(domain.folder(split)).with_suffix("").as_posix()
        keyed.setdefault(f"#{ref.entry.number}" if ref.entry else inside, ref)
    return keyed


def _side_by_side(cfg: DataConfig, found: Sides, paired: bool, notes: list[str]) -> DataSet:
    for path in found.train + found.test + found.val:
        _check_halves(path, paired, found.root)
    if not paired:
        notes.append(f"{found.root} holds pairs side by side: their halves are used as two domains")
    names = ["A", "B"]
    halves: tuple[Half, Half] = ("left", "right")
    a, b = _direction(cfg, names, found.root)

    def both(paths: list[Path]) -> tuple[list[ImageRef], list[ImageRef]]:
        return [ImageRef(path, halves[a]) for path in paths], [ImageRef(path, halves[b]) for path in paths]

    return DataSet(names[a], names[b], *both(found.train), *both(found.test), paired, notes, *both(found.val))


def _check_halves(path: Path, paired: bool, root: Path) -> None:
    try:
        width, height, _ = images.probe(path)
    except images.UnreadableImage:
        return  # counted and reported where files are decoded
    if not paired and not 1.9 <= width / height <= 2.1:
        raise UserError(f"{root} holds one domain only: give a second folder, or a folder with trainA and trainB")
    if width < height:
        raise UserError(f"{path} is {width} x {height}, not a pair side by side (A left, B right)")
    if width % 2:
        raise UserError(f"{path} is {width} pixels wide: a pair side by side needs an even width")


def _hold_out(data: DataSet, most: int) -> DataSet:
    """Take test images from the end of the training images where there are none."""
    if data.test_a and data.test_b:
        return data
    a = 0 if data.test_a else min(most, len(data.train_a) // 10)
    b = 0 if data.test_b else min(most, len(data.train_b) // 10)
    cut_a, cut_b = len(data.train_a) - a, len(data.train_b) - b
    note = "there are no test images" + (", and too few images to keep some from training" if most else "")
    if a or b:
        what = _count(a, "pair") if data.paired else f"{_count(a, 'image')} of {data.name_a} and {b} of {data.name_b}"
        note = f"no test folder: the last {what} are kept from training for the sample pictures"
    return replace(
        data,
        train_a=data.train_a[:cut_a],
        train_b=data.train_b[:cut_b],
        test_a=data.train_a[cut_a:] or data.test_a,
        test_b=data.train_b[cut_b:] or data.test_b,
        notes=[*data.notes, note],
    )


def _with_validation(data: DataSet, count: int) -> DataSet:
    """Keep `count` images of each domain, or pairs, spread evenly: of the val folder, or else from training."""
    if not count:
        return replace(data, val_a=[], val_b=[])
    if data.val_a and data.val_b:
        for name, refs in ((data.name_a, data.val_a), (data.name_b, data.val_b)):
            if count > len(refs):
                raise UserError(
                    f"--data.validation {count}: the val folder of {name} has {len(refs)} images; ask for less"
                )
        val_a, val_b = (_parted(refs, count)[1] for refs in (data.val_a, data.val_b))
        return replace(
            data, val_a=val_a, val_b=val_b, notes=[*data.notes, "validation images are those of the val folder"]
        )
    for name, refs in ((data.name_a, data.train_a), (data.name_b, data.train_b)):
        if count > len(refs) // 2:
            raise UserError(f"--data.validation {count}: {name} has {len(refs)} training images, keep at most half")
    (train_a, val_a), (train_b, val_b) = _parted(data.train_a, count), _parted(data.train_b, count)
    return replace(data, train_a=train_a, train_b=train_b, val_a=val_a, val_b=val_b)


def _parted(refs: list[ImageRef], count: int) -> tuple[list[ImageRef], list[ImageRef]]:
    """Return the images but for `count` of them, and these, spread evenly over all."""
    kept = {i * len(refs) // count for i in range(count)}
    return [ref for i, ref in enumerate(refs) if i not in kept], [refs[i] for i in sorted(kept)]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _some(refs: list[ImageRef]) -> str:
    return ", ".join(ref.path.name for ref in refs[:3]) + (", ..." if len(refs) > 3 else "")
