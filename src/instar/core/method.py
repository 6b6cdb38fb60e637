"""The contract of a method: its networks, what each minimises and in which order, how it translates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Mapping
from math import prod
from typing import Any, ClassVar, Generic, Literal

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from instar.core.batch import FEWEST_DOMAINS, Batch, BatchT, Domain, Labelled, ManyDomains
from instar.core.config import ManyDomainsConfig, MethodConfig, Optim, Preset, RunConfig, under_preset
from instar.core.description import Paper as Paper  # noqa: PLC0414  (files of methods import it from here)
from instar.core.errors import UserError, setting
from instar.core.memory import memory
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.core.seed import seeded

_MAKING = frozenset({torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn})
"""By which layers make their weights and buffers."""
_DRAWS = frozenset({torch.Tensor.normal_, torch.Tensor.uniform_})
"""By which they draw the numbers of weights."""
_BYTES = 4
"""Of a number."""
Held = Literal["all", "colours", "shapes"]
"""Of an input: all of it, its brightness and colours, or its edges and places."""
Objectives = Generator[Objective, None, None]
"""The objectives of a step, one after the other."""


class Method(nn.Module, ABC, Generic[BatchT]):
    """A published method. Subclasses are final: they share networks and losses, never each other's code.

    All state lives in modules and buffers, so that `state_dict()` is complete and a run resumes exactly.
    Randomness comes from torch's global generator, which the engine seeds anew from (seed, step) before every step.
    """

    options: ClassVar[type[MethodConfig]]
    """Its Config dataclass."""
    paper: ClassVar[Paper | None] = None
    """The paper that it follows; None for a method of no paper, whose docstring names its parts."""
    title: ClassVar[str] = ""
    """What it is called in the literature; "" if that is the name of the class."""
    also: ClassVar[Mapping[str, str]] = {}
    """Other published methods that are presets of this one: by their names in the literature, the presets."""
    data: ClassVar[type[Batch]]
    """Kind of the batches that it is given; of any number of domains, `kind_of` is that for as many as there are."""
    targets: tuple[Domain, ...]
    """Domains into which it translates: ("b",) one-way, ("a", "b") two-way; it is given images of all others. () for a
    method that translates nothing and has another ability, such as naming classes. Set by `__init__` where it depends
    on the settings, as all facts that are no `ClassVar`."""
    translators: tuple[str, ...]
    """Names of the networks that `translate` uses, or the ability of a method that translates nothing: the engine keeps
    averages of these."""
    also_used: ClassVar[tuple[str, ...]] = ()
    """Other children that abilities use, such as one that reads styles: beside `translators` and `fitted` they are what
    a shared model holds, and what is read to translate."""
    presets: ClassVar[Mapping[str, Preset]]
    """By name; the first is the default, and holds the paper's numbers if there is one. "tiny" and "small" must be
    there."""
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """By name, changes of the options of "tiny" that bring terms which it does not have. All terms under "tiny" and
    under these, and no others, are documented."""
    fitted: ClassVar[tuple[str, ...]] = ()
    """Children without weights that a run takes over beside networks (`train.start_from`): what was measured on all
    training images, not pools or banks of some."""
    holds_input: ClassVar[Mapping[str, Held]] = {}
    """Options, by name, whose weight holds translations to their inputs, the strongest first, and what of them each
    holds. Advice names these: to lower them where translations are copies, to raise them where too much is lost."""
    normal_styles: ClassVar[bool] = True
    """Of a method with styles, whether these are normal numbers: the way between two of them is then an arc."""
    one_number_of_channels: ClassVar[str] = "its networks take one number of channels"
    """Why the images of both domains must have as many channels (`method.target_channels`); "" if they need not."""
    exempt: ClassVar[Mapping[str, str]] = {}
    """Contract checks that do not hold for this method, each with the reason."""

    def __init__(self, cfg: MethodConfig) -> None:
        super().__init__()
        if not cfg.equal_channels and self.one_number_of_channels:
            said, same = (
                setting("method.target_channels", cfg.target_channels),
                setting("method.channels", cfg.channels),
            )
            name = self.title or type(self).__name__
            raise UserError(f"{said}: {name} needs as many as {same} in both domains: {self.one_number_of_channels}")
        self.cfg: Any = cfg
        self.stochastic = False
        """Whether `translate` draws random numbers. It then takes `generator`, on the CPU; the global one if None."""
        self.size_divisor = 1
        """`translate` needs image sides that are multiples of this."""
        self.fixed_size: int | None = None
        """If set, `translate` takes squares of this side only."""
        self.without: frozenset[type] = frozenset()
        """Abilities (`core.abilities`) that the class has and that its settings take away."""
        self.absent: frozenset[str] = frozenset()
        """Networks that its run does not have, because it was imported without them. Using one is a `UserError`."""

    @abstractmethod
    def objectives(self, batch: BatchT, at: Progress) -> Objectives:
        """Yield this step's objectives in the order in which they are minimised.

        The engine moves the networks in `over` before it resumes the generator: code after a yield sees the
        updated networks.
        """

    def translate(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        """Translate images (N, C, H, W) in [-1, 1] into domain `to`; same shape and range.

        Pure: called in eval mode, it changes nothing, and the same input and seed give the same output. A method
        without targets leaves it out.

        Raises:
            UserError: it translates nothing.
        """
        raise UserError(f"{self.title or type(self).__name__} translates nothing")

    @classmethod
    def kind_of(cls, cfg: MethodConfig) -> type[Batch]:
        """Return the kind of the batches that it is given with these settings."""
        if isinstance(cfg, ManyDomainsConfig) and issubclass(cls.data, ManyDomains):
            return cls.data.of(cfg.domains or FEWEST_DOMAINS)
        return cls.data

    def phase(self, at: Progress) -> str:
        """Name the phase that `at` belongs to."""
        return "train"

    def prepare(self, phase: str, batches: Iterable[BatchT]) -> None:
        """Run once on entering `phase`, never on resume. `batches` is one pass over the training data."""

    def check(self, config: RunConfig) -> str:
        """Return what a user should know before this training starts, or nothing.

        Raises:
            UserError: it cannot be trained with these settings (batch, size); names the setting and the remedy.
        """
        return ""

    @classmethod
    def trains_on(cls, cfg: Any) -> tuple[str, ...]:
        """Name the extractors whose features these settings train on, such as torchvision:vgg16.

        They may not score its runs: they would praise what was fitted to them.
        """
        return ()

    def untrained(self) -> tuple[str, ...]:
        """Return the networks that these settings need and do not train: they are taken from another run."""
        return ()

    def optim(self, network: str) -> Optim:
        """Return the optimiser settings of a direct child."""
        optim: Optim = self.cfg.optim
        return optim


def compares_domains(cfg: MethodConfig, option: str, value: object, what: str) -> None:
    """Refuse other channels of the target beside an option with a weight: `what` it compares has one number of them."""
    if not cfg.equal_channels and value:
        said, off = setting("method.target_channels", cfg.target_channels), setting(f"method.{option}", 0)
        raise UserError(
            f"{said}: {setting(f'method.{option}', value)} compares {what}, for which both domains need as "
            f"many channels; set {off}"
        )


def same_side(config: RunConfig, side: int, name: str = "side") -> None:
    """Refuse a size that the networks were not built for, as an option of the method with that name says."""
    if (size := config.data.size) != side:
        fits, other = setting("data.size", side), setting(f"method.{name}")
        raise UserError(f"{setting('data.size', size)}: these networks take {side} px; set {fits} or another {other}")


def enough_classes(batch: Labelled, classes: int) -> None:
    """Refuse labels of more classes than a classifier was built for."""
    if batch.label_range[1] >= classes:
        more = setting("method.classes")
        raise UserError(f"there are {batch.label_range[1] + 1} classes: set {more}, not {classes}")


def two_each(config: RunConfig, why: str) -> None:
    """Refuse one image per device where the images of a batch are compared: `why` says who needs more."""
    batch, parts = config.train.batch, config.train.parts
    if batch // parts < 2:
        enough, seen = setting("train.batch", 2 * parts), "part of it" if config.train.accumulate > 1 else "device"
        raise UserError(f"{setting('train.batch', batch)}: {why} at least 2 images per {seen}; take {enough} or more")


def outline(method: type[Method[Any]], cfg: MethodConfig) -> Method[Any]:
    """Return a method without the memory of its weights, to ask for facts that depend on its settings."""
    with torch.device("meta"):
        return method(cfg)


def build(method: type[Method[Any]], cfg: MethodConfig, seed: int, copies: int = 2) -> Method[Any]:
    """Return a method with its initial weights, a function of `seed`, on the CPU.

    Args:
        method: its class.
        cfg: its settings.
        seed: of the run.
        copies: of all weights that will be needed: four for Adam on the CPU, with gradients and two averages.

    Raises:
        UserError: they do not fit into the memory of this machine.
    """
    with seeded(seed, 0), _Fitting(method.__name__, copies):
        return method(cfg)


def unfilled(method: type[Method[Any]], cfg: MethodConfig) -> Method[Any]:
    """Return a method on the CPU whose weights are to come from a file: where they are drawn, they hold anything.

    As long as nobody touches these they take addresses and no memory. The meta device would do as well, but its first
    operation loads a second's worth of PyTorch's code.

    Raises:
        UserError: the weights would not fit into the memory of this machine.
    """
    with seeded(0, 0), _Fitting(method.__name__, copies=1, filled=False):
        return method(cfg)


class _Fitting(TorchFunctionMode):
    """Within this context new tensors are refused once all that were made take more memory than there is."""

    def __init__(self, name: str, copies: int, *, filled: bool = True) -> None:
        super().__init__()
        self._name, self._copies, self._filled, self._needed = name, copies, filled, 0

    def __torch_function__(
        self, function: Any, _: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function in _MAKING:
            size = kwargs.get("size", args[0] if args and not isinstance(args[0], int) else args)
            self._needed += self._copies * _BYTES * prod(size)
            if self._needed > memory():
                there = f"the {memory() / 1e9:,.0f} GB of this machine"
                raise UserError(
                    f"{self._name} with these settings takes more than {there} for its weights alone: "
                    "make its networks smaller"
                )
        if not self._filled and function in _DRAWS and isinstance(args[0], nn.Parameter):
            return args[0]
        return function(*args, **kwargs)


def defaults(name: str, method: type[Method[Any]], preset: str | None) -> RunConfig:
    """Return the complete settings of `method` under `preset` (its first one if None)."""
    return under_preset(name, method.options, method.presets, preset)
