"""The images of a run: domains chosen from a data set, paired where the method needs it, some kept from training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from instar.core.batch import Batch, Domain, ManyDomains
from instar.core.config import DataConfig, ManyDomainsConfig, RunConfig
from instar.core.errors import Message, UserError, nearest, setting
from instar.core.listing import LeftOut, composed, left_out_notes
from instar.data import layouts
from instar.data.dataset import DataSet, Split
from instar.data.files import column, side_by_side
from instar.data.masks import with_mask_folders, with_masks
from instar.data.pages import with_pages
from instar.data.refs import ImageRef, Row
from instar.data.rows import hold_out, rows_of, with_validation

Images = Mapping[Domain, Sequence[ImageRef]]


@dataclass(frozen=True)
class Selection:
    """Images by domain. Those of paired domains are aligned: `train["b"][i]` belongs to `train["a"][i]`."""

    kind: type[Batch]
    """Of batches for which they are."""
    names: Mapping[Domain, str]
    train: Images
    test: Images
    val: Images
    """Images to score a run while it trains, of a val folder or kept from training: no training and no test images."""
    notes: list[Message] = field(default_factory=list)
    """What the user should know, a line each."""
    left_out: Sequence[LeftOut] = ()
    """What else is in the folders; notes say it."""

    def images(self, split: Split) -> Images:
        """Return the images of a split."""
        return {"train": self.train, "test": self.test, "val": self.val}[split]

    @property
    def shown(self) -> Images:
        """Where sample pictures come from: the test images, or training images if there are none."""
        return {domain: refs or self.train[domain] for domain, refs in self.test.items()}

    def rows(self, images: Images) -> list[Sequence[Row]]:
        """Return what is drawn at once, for each of the kind's orders."""
        return [side_by_side([images[domain] for domain in row]) for row in self.kind.rows()]


def find(cfg: DataConfig, kind: type[Batch]) -> Selection:
    """Find the images under `cfg.roots` for batches of a kind.

    Pairs are images of the same `ImageRef.key`. Test images are those of test or else val folders; without any, the
    last few training images are kept for it, of a single domain some spread evenly over all. Validation images, if
    `cfg` asks for some, are those of val beside test, or else are kept from training.

    Raises:
        UserError: there are not the domains or pairs that the kind needs; one line with the remedy.
    """
    return select(read(cfg, kind), cfg, kind)


def with_number_of_domains(config: RunConfig) -> RunConfig:
    """Return the settings with the number of domains that the images have, for a method of any number of them.

    Raises:
        UserError: the images are not there, or of one domain only.
    """
    method, data = config.method, config.data
    if not isinstance(method, ManyDomainsConfig) or method.domains is not None or not data.roots:
        return config
    if data.domains:
        count = len(data.domains)
    elif len(data.roots) > 1:
        count = len(data.roots)
    elif data.source and data.target:
        count = 2
    else:
        count = len(layouts.read(data, ManyDomains).domains)
    return replace(config, method=replace(method, domains=count))


def read(cfg: DataConfig, kind: type[Batch]) -> DataSet:
    """Read the data set under `cfg.roots`: each page that is asked for is an image, and images know their masks.

    Raises:
        UserError: it holds no such data set, or masks are missing; one line with the remedy.
    """
    return with_masks(with_pages(with_mask_folders(layouts.read(cfg, kind), cfg), cfg.pages), cfg)


def select(data: DataSet, cfg: DataConfig, kind: type[Batch]) -> Selection:
    """Take the images for batches of a kind from a data set that was read already, as `find` does.

    Raises:
        UserError: there are not the domains or pairs that the kind needs; one line with the remedy.
    """
    notes: list[str] = []
    pairs = any(len(row) > 1 for row in kind.rows())
    if error := data.paired_error if pairs else data.unpaired_error:
        raise UserError(error)
    if not pairs and data.unpaired_note:
        notes.append(data.unpaired_note)
    chosen = _chosen(data, cfg, kind)
    for name in chosen.values():
        if not data.domains[name].train:
            raise UserError(f"{cfg.roots[0]}: there are no training images of {name}")
    orders = [rows_of([(chosen[d], data.domains[chosen[d]]) for d in row], cfg, notes) for row in kind.rows()]
    orders = hold_out(orders, cfg.holdout, notes, spread=len(kind.sources()) == 1)
    orders = with_validation(orders, cfg.validation, notes)

    def images(split: Split) -> Images:
        return {d: column(orders[part.order].of(split), part.side) for d, part in kind.parts.items()}

    names = {domain: orders[part.order].names[part.side] for domain, part in kind.parts.items()}
    left_out = list(dict.fromkeys(one for name in chosen.values() for one in data.domains[name].left_out))
    told = [Message(note) for note in [*notes, *left_out_notes(left_out)]]
    return Selection(kind, names, images("train"), images("test"), images("val"), told, left_out)


def _chosen(data: DataSet, cfg: DataConfig, kind: type[Batch]) -> dict[Domain, str]:
    """Return which of the data set's domains are those that the kind needs."""
    names, sources, root = list(data.domains), kind.sources(), cfg.roots[0]
    asked = cfg.names(tuple(kind.parts))
    mention = {d: _setting_of(d, kind) for d in kind.parts}
    if len(sources) == 1:
        for domain, name in asked.items():
            if name not in (None, names[0]):
                said = setting(mention[domain], name)
                leave = f"leave out {setting(mention[domain])}"
                raise UserError(f"{said}: this method takes all images of a folder; {leave}")
        return {sources[0]: names[0]}
    known = {_folded(name): name for name in names}
    chosen: dict[Domain, str | None] = {}
    for domain in sources:
        name = asked[domain]
        if name is not None and _folded(name) not in known:
            raise UserError(f"{setting(mention[domain], name)}: no such domain in {root}{nearest(name, names)}")
        chosen[domain] = None if name is None else known[_folded(name)]
    if issubclass(kind, ManyDomains) and len(names) != len(chosen) and None in chosen.values():
        listed, count = ", ".join(names), len(names)
        number = setting("method.domains", count)
        choice = f"set {number}" + (f", or choose {len(chosen)} with {setting('data.domains')}" if count > 2 else "")
        raise UserError(f"{root} holds {count} domains ({listed}), not {len(chosen)}: {choice}")
    return _complete(chosen, names, root, list(dict.fromkeys(mention.values())))


def _complete(
    chosen: Mapping[Domain, str | None], names: list[str], root: Path, mention: list[str]
) -> dict[Domain, str]:
    """Give domains that were not named those that are left."""
    listed, settings = ", ".join(names), " and ".join(setting(name) for name in mention)
    wanted = "two" if len(chosen) == 2 else str(len(chosen))
    if len(names) < len(chosen):
        raise UserError(f"{root} holds {len(names)} domains ({listed}): this method needs {wanted}")
    if len(names) > len(chosen) and None in chosen.values():
        raise UserError(f"{root} holds {len(names)} domains ({listed}): choose {wanted} with {settings}")
    given = [name for name in chosen.values() if name is not None]
    twice = next((name for name in given if given.count(name) > 1), None)
    if twice:
        both = "are both" if len(mention) > 1 else "names twice"
        raise UserError(f"{settings} {both} {twice}: choose {wanted} domains of {listed}")
    left = iter([name for name in names if name not in given])
    return {domain: next(left) if name is None else name for domain, name in chosen.items()}


def _folded(name: str) -> str:
    return composed(name).casefold()


def _setting_of(domain: Domain, kind: type[Batch]) -> str:
    if len(kind.parts) != 2:
        return "data.domains"
    return "data.source" if domain == next(iter(kind.parts)) else "data.target"
