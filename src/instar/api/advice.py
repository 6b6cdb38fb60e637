"""Advice in words while a run trains, from what its translations of held-out images do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from instar.core.batch import Domain
from instar.core.config import RunConfig
from instar.core.errors import setting
from instar.core.events import Event, Listener, Scored, Watched, note, warning
from instar.core.method import Held, Method
from instar.evaluation.appearance import SPOTS
from instar.evaluation.between import CHANGE, COLOURS, LUMINANCE
from instar.evaluation.verdict import COLOUR_ONLY, COLOURED, KEPT, NEARLY_A_COPY, is_copy
from instar.evaluation.watching import CONTRAST

SETTLED, EARLY = 0.6, 0.3
"""Shares of a run before which copies, and faults, are no surprise: they often pass."""
SWAPPED = -0.2
"""Luminance correlation below which light and dark are swapped; a mean of 16 images near 0 may be chance."""
SPOTTED = 0.3
"""Share of translations with spots: of 16 without any, 5 are called spotted once in eighty times."""
FLAT = 0.2
"""Contrast, by that of real images, below which a translation is one colour."""
TWICE = 2
"""Measurements in a row that have to agree."""
PATIENCE, SCORES = 0.3, 5
"""Share of the run, and scores, without a better one, from which a run has come as far as it will."""

Values = Mapping[str, float]


class Advice:
    """Listens to a training, and says once of each fault what it is and which settings of the method help."""

    def __init__(self, config: RunConfig, method: Method[Any], names: Mapping[Domain, str], tell: Listener) -> None:
        """Know the training.

        Args:
            config: of the run.
            method: which is trained.
            names: of the domains.
            tell: hears the lines.
        """
        self._config, self._method, self._names, self._tell = config, method, names, tell
        self._seen: dict[tuple[Callable[..., str], Domain], int] = {}
        """How often in a row a fault was seen, of those into a domain; more than `TWICE` once it was said."""
        self._scores: dict[int, float] = {}
        self._plateau = False
        self.last: Mapping[Domain, Values] = {}
        """What was measured last."""

    def __call__(self, event: Event) -> None:
        """Look at measurements and scores."""
        if isinstance(event, Watched):
            self.last = event.values
            for to, values in event.values.items():
                self._look(event.step, to, values)
        elif isinstance(event, Scored) and not self._plateau:
            self._scores[event.step] = next(iter(event.scores.values()))
            self._look_at_scores(event.step)

    def _look(self, step: int, to: Domain, values: Values) -> None:
        done = step / self._config.train.steps
        for fault in (self._copies, self._swapped, self._spots, self._flat):
            words = fault(values) if done >= (SETTLED if fault == self._copies else EARLY) else ""
            seen = self._seen.get((fault, to), 0)
            if seen < TWICE:
                self._seen[fault, to] = seen = seen + 1 if words else 0
                if seen == TWICE:
                    self._tell(warning(f"step {step}: translations to {self._names.get(to, to)} {words}"))

    def _copies(self, values: Values) -> str:
        change, colours = values[CHANGE], values[COLOURS]
        if is_copy(values):
            said = f"are {NEARLY_A_COPY} (they change {change:.1f} of 255 grey levels)"
            return f"{said}: {self._lower('all', 'colours', 'shapes')}"
        if colours >= COLOURED and abs(values[LUMINANCE]) >= KEPT and self._weights("all", "shapes"):
            said = f"change in {COLOUR_ONLY.replace(' only', 's alone')} ({colours:.0%} of the change)"
            return f"{said}: where shapes or textures should change too, {self._lower('all', 'shapes')}"
        return ""

    def _swapped(self, values: Values) -> str:
        if values[LUMINANCE] > SWAPPED:
            return ""
        said = f"have light and dark swapped (correlation {values[LUMINANCE]:.2f})"
        return f"{said}: unless that is meant, {self._raise()}"

    def _spots(self, values: Values) -> str:
        share = values.get(SPOTS, 0.0)
        if share < SPOTTED:
            return ""
        few = f"{setting('preset', 'small')} has a generator without norms, which draws few"
        remedy = few if self._small_is_light() else self._other_seed()
        return f"have light or dark spots, such as discs, on {share:.0%} of the pictures: {remedy}"

    def _small_is_light(self) -> bool:
        """Return whether the preset `small` has the light networks of its side, and the run others."""
        small = self._method.presets.get("small")
        light = "light" in small.method and small.method["light"] == small.data.get("size") if small else False
        return light and not getattr(self._config.method, "light", True)

    def _flat(self, values: Values) -> str:
        if values[CONTRAST] > FLAT:
            return ""
        return (
            f"are turning to one colour ({values[CONTRAST]:.0%} of the contrast of real images): {self._other_seed()}"
        )

    def _look_at_scores(self, step: int) -> None:
        best = min(self._scores, key=lambda at: self._scores[at])
        later = sum(at > best for at in self._scores)
        if later < SCORES or step - best < PATIENCE * self._config.train.steps:
            return
        self._plateau = True
        kept = "; the checkpoint of that step is kept, and the run may be stopped" * bool(self._config.train.keep_best)
        score = self._scores[best]
        self._tell(
            note(f"step {step}: the score has not been better since step {best}, where it was {score:.3f}{kept}")
        )

    def _weights(self, *held: Held) -> dict[str, float]:
        """Return the settings of the method that hold the input, with their weights, the strongest first."""
        there = {name: what for name, what in self._method.holds_input.items() if what in held}
        return {f"method.{name}": float(getattr(self._config.method, name)) for name in there}

    def _lower(self, *held: Held) -> str:
        weights = {name: weight for name, weight in self._weights(*held).items() if weight}
        if not weights:
            longer = setting("train.steps")
            return f"no weight of this method holds them to their inputs: train longer ({longer}), or by another method"
        return f"lower {_listed(weights)}, or take another method"

    def _raise(self) -> str:
        weights = self._weights("colours") if self._config.method.equal_channels else {}
        return f"raise {_listed(weights)}" if weights else self._other_seed()

    def _other_seed(self) -> str:
        return f"start anew with another {setting('train.seed')} or a lower {setting('method.optim.lr')}"


def _listed(weights: Values) -> str:
    words = [f"{setting(name)} ({weight:g} now)" for name, weight in weights.items()]
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
