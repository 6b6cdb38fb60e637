"""What some methods can do besides translating: styles, codes, attention. Callers ask with `supports`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from typing_extensions import TypeIs

if TYPE_CHECKING:  # seconds of torch, which asking for an ability can do without
    from torch import Generator, Tensor

    from instar.core.batch import Domain
    from instar.core.method import Method

AbilityT = TypeVar("AbilityT")


@runtime_checkable
class Styled(Protocol):
    """One input has many translations: a style chooses among them."""

    def sample_style(self, n: int, generator: Generator | None = None, *, to: Domain = "b") -> Tensor:
        """Draw n styles (n, S) of a domain from the prior, on the method's device.

        Args:
            n: their number.
            generator: on the CPU; the global one if None.
            to: domain that is drawn in; the prior of most methods is the same for all.
        """

    def translate(
        self, x: Tensor, *, to: Domain = "b", style: Tensor | None = None, generator: Generator | None = None
    ) -> Tensor:
        """Translate x (N, C, H, W) with styles (N, S); None draws one style for all images, from `generator`."""


@runtime_checkable
class StyleEncoding(Styled, Protocol):
    """Reads styles off images."""

    def encode_style(self, reference: Tensor, *, domain: Domain) -> Tensor:
        """Return the styles (N, S) of images (N, C, H, W) in [-1, 1] of a domain."""


@runtime_checkable
class Clustered(Protocol):
    """Found domains of its own in images without labels: they have numbers from 0, and styles like those of images."""

    def cluster(self, x: Tensor) -> Tensor:
        """Return the probabilities (N, K) of the domains of images (N, C, H, W) in [-1, 1]."""

    def cluster_styles(self) -> Tensor:
        """Return the mean style (K, S) of each domain; not finite for a domain without images."""


@runtime_checkable
class Coded(Protocol):
    """Both domains share a code in which one can walk from one image to another."""

    def encode(self, x: Tensor, *, domain: Domain) -> Tensor:
        """Return the codes of images (N, C, H, W) in [-1, 1] of a domain."""

    def decode(self, code: Tensor, *, to: Domain) -> Tensor:
        """Return the images (N, C, H, W) of a domain that codes stand for."""


@runtime_checkable
class Attentive(Protocol):
    """Knows where in the input its translation looks."""

    def attention(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        """Return maps (N, H', W') in [0, 1] of the attention for images (N, C, H, W) in [-1, 1]."""


@runtime_checkable
class Classifying(Protocol):
    """Names the classes of images, of which only the source domain had labels."""

    def classify(self, x: Tensor, domain: Domain = "b") -> Tensor:
        """Return the logits (N, classes) of images (N, C, H, W) in [-1, 1] of a domain."""


@runtime_checkable
class Landmarked(Protocol):
    """Puts landmarks on images and draws from them: places (x, y) in [-1, 1], x to the right and y down."""

    def landmarks(self, x: Tensor, *, domain: Domain) -> Tensor:
        """Return the landmarks (N, K, 2) of images (N, C, H, W) in [-1, 1] of a domain."""

    def move(
        self, x: Tensor, by: Tensor, *, to: Domain = "b", style: Tensor | None = None, source: Domain | None = None
    ) -> tuple[Tensor, Tensor]:
        """Translate x (N, C, H, W) with its landmarks moved by (K, 2) or (N, K, 2), its appearance left as it is.

        Args:
            x: images of `source`.
            by: 0 translates as `translate` does.
            to: domain to draw in.
            style: as of `translate`.
            source: domain of x; the other than `to` if None. If it is `to`, x is drawn anew in its own domain.

        Returns:
            Images (N, C, H, W), and the landmarks (N, K, 2) that they are drawn from.
        """


def supports(method: object, ability: type[AbilityT]) -> TypeIs[AbilityT]:
    """Return whether a method has one of these abilities, with the settings that it was built with."""
    return isinstance(method, ability) and ability not in getattr(method, "without", ())


def abilities(method: Method[Any]) -> frozenset[type]:
    """Return all abilities that a method has with its settings."""
    return frozenset(ability for ability in ABILITIES if supports(method, ability))


ABILITIES: tuple[type, ...] = (Styled, StyleEncoding, Clustered, Coded, Attentive, Classifying, Landmarked)
