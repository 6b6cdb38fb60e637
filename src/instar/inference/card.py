"""What an exported model says of itself: kept in its file, so that nothing beside it is needed to use it."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from instar.core.errors import UserError
from instar.core.formats import DomainFormat
from instar.core.plain import read_json
from instar.core.settings import from_dict, to_dict

KEY = "instar"
"""Of the metadata under which a file holds its card."""
FORMAT = 4
"""Of cards; a newer one is refused. Each says the lowest number whose readers get it right: 1 for plain images, 2 for
others, 3 for graphs that do not pad, 4 for bands with ranges of their own and for networks trained within masks."""


@dataclass(frozen=True)
class NoiseInput:
    """An input of the graph for the dropout of one layer: each number is 0, or 1 / (1 - p).

    Attributes:
        name: of the input.
        channels: C of its shape (N, C, H / divisor, W / divisor), where H and W are the sides after padding.
        divisor: of the sides.
        p: chance of a 0.
    """

    name: str
    channels: int
    divisor: int
    p: float


@dataclass(frozen=True, kw_only=True)
class Card:
    """What an exported model is, what its graph takes and what it gives.

    The graph's input `image` and output `translation` are float32 (N, C, H, W), values 0 to 1, channels red, green and
    blue, or gray alone; of other images 0 and 1 are the ends of the domain's range. If it `pads`, then the
    image itself: right and below, by reflection (by repeating the edge where the image is too small), to the next
    multiple of `size_divisor` and at least `smallest`; the result is cut back.

    Attributes:
        format: of this card.
        instar: version that has written it.
        method: name of the method.
        title: what the method is called in the literature.
        paper: address of its paper; "" without one.
        source: name of the domain of the images.
        target: name of the domain that they are translated into.
        channels: C of the input.
        size: side of the training crops in pixels.
        zoom: short side of the training images before they were cropped, in sizes.
        size_divisor: sides are padded to multiples of this.
        smallest: and to at least this.
        fixed_size: if set, H and W can only be this, and nothing is padded.
        style_size: S of the input `style` (N, S); 0 without one.
        style_prior: "normal": a style is drawn from N(0, 1). "drawn": it is one of `styles`.
        styles: examples of styles, for "drawn".
        domain_styles: mean styles of the domains that the model found, by their numbers; None for one without images.
        noise: inputs for dropout, in the order in which they are drawn.
        opset: of the ONNX operators; 0 without any.
        license: what the exporter said about the use of the weights.
        out_channels: C of the output; that of the input if 0.
        formats: of the images and of their translations, if they are not plain.
        pads: whether the graph pads images itself; else it takes only sides that need no padding.
        masks: end of the names of the masks of the training, if it had some: then the graph has never seen what lies
            outside of masks, which is the middle of the range, 0.5, for it.
    """

    instar: str
    method: str
    title: str
    paper: str
    source: str
    target: str
    channels: int
    size: int
    zoom: float
    size_divisor: int
    smallest: int
    fixed_size: int | None
    style_size: int
    style_prior: str
    styles: tuple[tuple[float, ...], ...]
    domain_styles: tuple[tuple[float, ...] | None, ...]
    noise: tuple[NoiseInput, ...]
    opset: int
    license: str
    out_channels: int = 0
    formats: tuple[DomainFormat, ...] = ()
    pads: bool = True
    masks: str = ""
    format: int = FORMAT

    def as_json(self) -> str:
        """Return it as one line of JSON, with words on the input and the output."""
        sides = f"{self.fixed_size}, {self.fixed_size})" if self.fixed_size else "H, W)"
        about = {
            "input": f"image: float32 (N, {self.channels}, {sides}, values 0 to 1",
            "output": f"translation: float32 (N, {self.out_channels or self.channels}, {sides}, values 0 to 1",
            "padding": self._padding(),
        }
        formats = [to_dict(one) for one in self.formats]
        return json.dumps({**about, **asdict(self), "formats": formats}, ensure_ascii=False)

    def _padding(self) -> str:
        if self.fixed_size:
            return "none"
        if self.pads:
            return "in the graph: any height and width go in, the same come out"
        return f"before the graph: H and W are multiples of {self.size_divisor}, and at least {self.smallest}"

    @classmethod
    def from_json(cls, text: str, file: object) -> Card:
        """Read what `as_json` has written.

        Args:
            text: JSON.
            file: that it is from, for messages.

        Raises:
            UserError: it is of a newer version of Instar, or damaged.
        """
        try:
            values: dict[str, Any] = read_json(text)
            if values["format"] > FORMAT:
                raise UserError(f"{file}: written by Instar {values['instar']}, which is newer than this one; update")
            needed = [field.name for field in fields(cls) if field.default is MISSING or field.name in values]
            values = {name: values[name] for name in needed}
            values["styles"] = tuple(map(tuple, values["styles"]))
            values["domain_styles"] = tuple(None if one is None else tuple(one) for one in values["domain_styles"])
            values["formats"] = tuple(from_dict(DomainFormat, one, f"{file}") for one in values.get("formats", ()))
            values["noise"] = tuple(NoiseInput(**one) for one in values["noise"])
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{file}: what it says of the model cannot be read ({error}); export it again") from error
        return cls(**values)
