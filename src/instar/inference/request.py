"""What may be asked of a translation of files, and which of it goes together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from instar.core import registry
from instar.core.abilities import Attentive, Coded, Landmarked, Styled, StyleEncoding, supports
from instar.core.config import Pages, check_pages
from instar.core.errors import UserError, setting
from instar.core.settings import Bounds, NonNegativeInt, PositiveInt, Settings
from instar.inference.batches import BATCH, SMALLEST_SIZE
from instar.inference.exported import ExportedMethod
from instar.inference.tiles.sizes import Tile, TileStatistics, check_tile

ALL = "all"
"""In place of a domain's name: every domain that the model found."""


@dataclass(frozen=True, kw_only=True)
class TranslationRequest(Settings):
    """Which files to translate, into what, and what else to write of each."""

    inputs: tuple[str, ...] = ()
    """Images, videos, folders of images with all their subfolders, or quoted patterns such as 'photos/**/*.jpg'; tables
    and tars of images."""
    out: Path
    """Folder for the results; manifest.jsonl in it has a line for every input. Or, for one result, its file, such as
    out.png."""
    to: str | None = None
    """Domain to translate into, by its name or as A or B; B, the target of the training, if not given. TUNIT's own
    domains have numbers from 0; all gives cat_domain0.png, cat_domain1.png, ..."""
    size: Annotated[int | None, Bounds(SMALLEST_SIZE)] = None
    """Short side at which the network works; results are resized back. For images much larger than those of the
    training, or than the memory allows. The images' own size if not given."""
    tile: Tile | None = None
    """Translate images with more pixels than a square of this side in parts of so many: any size in little memory.
    Norms take their statistics from the whole image, so that the result is that of the whole. auto does so where the
    memory is too small for the whole."""
    tile_statistics: TileStatistics = "exact"
    """Of norms in tiles: exact keeps features of the whole image in memory or on disk; approximate takes the statistics
    of the image made smaller, in memory that does not grow with the image, and says how far the result is off."""
    batch: PositiveInt = BATCH
    """Most images of one size that go through the network together."""
    seed: NonNegativeInt = 0
    """Of the model's noise or style, if it has any."""
    samples: Annotated[int | None, Bounds(1)] = None
    """Styles drawn for each image, the same ones for all: cat.png gives cat_seed0-0.png, cat_seed0-1.png, ..."""
    reference: tuple[Path, ...] = ()
    """Image of the domain translated into, whose style all results take: cat.png gives cat_like-NAME.png. May be given
    several times."""
    interpolate: Annotated[int | None, Bounds(2)] = None
    """Pictures on the way from one style to another, or to that of `reference`, or between those of two references: a
    strip as PNG, moving as GIF. For methods with a shared code instead of styles: the way from each image to
    `reference`."""
    towards: Path | None = None
    """Image of the inputs' domain to whose landmarks `interpolate` leads, while the appearance stays."""
    move: tuple[str, ...] = ()
    """Move a landmark of the inputs before they are translated, NUMBER:RIGHT,DOWN in half sides of the image, such as
    7:+0.1,-0.05. May be given several times; `landmarks` shows the numbers."""
    source: str | None = None
    """Domain of the inputs, for methods with landmarks; the other than `to` if not given. If it is the same, images are
    not translated but drawn anew in their own domain."""
    landmarks: bool = False
    """Write also the numbered landmarks, over input and output in cat_landmarks.png, and of all inputs in
    landmarks.csv."""
    heatmap: bool = False
    """Write also where the model looks, laid over the input: cat_heatmap.png."""
    grid: bool = False
    """Write also grid.png: the first 20 inputs, a row for each, with all their results; with `pages` all, the first 20
    pages."""
    pages: Pages = "first"
    """Of files of several pages or frames (TIFF, GIF, APNG, WebP): all, which gives files of as many, with their times;
    the first; or the number of one, from 1."""
    video_range: tuple[float, float] | None = None
    """Values of the inputs' domain that are black and white in videos, such as 0 4095; the ends of the range of the
    domain if not given. For models of other values than 8 or 16 bits of gray or colour. Give the inputs before it."""
    metadata: Literal["strip", "keep"] = "strip"
    """What becomes of EXIF data (place, date, camera), XMP data, resolution and georeference of the inputs: strip
    leaves them out, keep puts them into results whose format can hold them. Colour profiles are always kept."""

    keep_outside: Path | None = None
    """Folder of masks, of the names of the inputs: where a mask is black the result is the input, bit for bit; gray
    mixes both. Of pages each has its own, or one is for all."""
    labels: Path | None = None
    """Folder of label maps, of the names of the inputs, which the translation leaves as they are: each is copied, for
    each result under its name, into a folder beside the results, such as translated_labels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_tile(self.tile, self.tile_statistics)
        check_pages("pages", self.pages)
        if self.video_range and self.video_range[0] == self.video_range[1]:
            raise UserError(f"{setting('video_range', self.video_range)}: black and white must differ")
        if not self.inputs:
            raise UserError("nothing to translate: give images, folders, or patterns such as 'photos/*.jpg'")
        stems = [reference.stem for reference in self.reference]
        if len(set(stems)) < len(stems):
            why = "results are named after the images; give images of different names"
            raise UserError(f"{setting('reference')}: {why}")
        for name, given in (("keep_outside", self.keep_outside), ("labels", self.labels)):
            if given and self.interpolate:
                raise UserError(f"{setting('interpolate')} and {setting(name)}: give one of the two")
        if self.interpolate and (self.grid or self.samples):
            other = "grid" if self.grid else "samples"
            why = "a strip shows all its pictures" if self.grid else "the way leads from style 0 to style 1"
            first, second = sorted(["interpolate", other])
            raise UserError(f"{setting(first)} and {setting(second)}: give one of the two; {why}")

        names = ("interpolate", "landmarks", "heatmap")
        if self.pages == "all" and any(getattr(self, name) for name in names):
            other = next(name for name in names if getattr(self, name))
            both = f"{setting('pages', 'all')} and {setting(other)}"
            raise UserError(f"{both}: give one of the two; the second shows one page")

    @property
    def domain(self) -> str | None:
        """Name of the domain to translate into; None for the target of the training."""
        return None if self.to == ALL else self.to

    def check(self, name: str, method: Any) -> None:
        """Refuse what a method cannot do, or not so.

        Args:
            name: of the method.
            method: the method.

        Raises:
            UserError: it names the setting, and the methods that can.
        """
        reads_styles = supports(method, StyleEncoding)
        styled, coded = supports(method, Styled), supports(method, Coded)
        landmarked = supports(method, Landmarked)
        asked: dict[str, tuple[object, bool, Any]] = {
            "samples": (self.samples, styled, Styled),
            "reference": (self.reference, reads_styles or (coded and bool(self.interpolate)), StyleEncoding),
            "interpolate": (self.interpolate, styled or coded, (Styled, Coded)),
            "towards": (self.towards, landmarked, Landmarked),
            "move": (self.move, landmarked, Landmarked),
            "source": (self.source, landmarked, Landmarked),
            "landmarks": (self.landmarks, landmarked, Landmarked),
            "heatmap": (self.heatmap, supports(method, Attentive), Attentive),
        }
        for option, (given, able, ability) in asked.items():
            if given and not able:
                raise UserError(f"{setting(option)}: {name} cannot do that{_who_can(method, ability)}")
        self._check_tile(styled=styled)
        if self.towards and not self.interpolate:
            number = setting("interpolate", "N")
            raise UserError(f"{setting('towards')}: give also {number}, the number of pictures on the way")
        if self.interpolate:
            self._check_ends(name, styled=styled)

    def _check_tile(self, *, styled: bool) -> None:
        """Refuse what needs the whole image at once beside tiles."""
        whole = {
            "landmarks": self.landmarks,
            "move": self.move,
            "source": self.source,
            "heatmap": self.heatmap,
            "interpolate": self.interpolate and (self.towards or not styled),
        }
        for other, given in whole.items():
            if self.tile and given:
                both = f"{setting('tile')} and {setting(other)}"
                raise UserError(f"{both}: give one of the two; the second takes the whole image at once")

    def _check_ends(self, name: str, *, styled: bool) -> None:
        """Refuse a way without an end, or with too many."""
        most = 1 if self.towards or not styled else 2
        if len(self.reference) > most:
            given = f"give at most {most} {setting('reference')} here, not {len(self.reference)}"
            raise UserError(f"{setting('interpolate')}: {given}")
        if not styled and not self.reference:
            image = setting("reference", "IMAGE")
            raise UserError(f"{setting('interpolate')}: {name} needs {image}, the picture at the other end of the way")


def _who_can(method: Any, ability: Any) -> str:
    """Return who has an ability that a method lacks: its run, or other methods."""
    if isinstance(method, ExportedMethod):
        return " as an exported model; use the run, if its method can"
    trained = ", as it was trained" * isinstance(method, ability)
    others = ", ".join(other for other in registry.names() if issubclass(registry.get(other), ability))
    return f"{trained}; methods that can: {others}"
