"""README.md of a shared model, as hubs show it: a head in YAML, then words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import yaml

from instar.core.config import RunConfig
from instar.core.description import Description

PICTURE = "samples.png"
UNSTATED = "What may be done with the weights was not stated. It depends on the images that they were trained on."


@dataclass(frozen=True)
class ModelCard:
    """What is said of a model.

    Attributes:
        name: OWNER/NAME, or the name of its folder.
        config: its settings.
        method: its method.
        step: at which the weights were taken.
        data: on the images, in the words of whoever shares it.
        license: what may be done with the weights, as a hub's short name (such as cc0-1.0) or in words; "" if not
            stated.
        scores: names and values, in order.
        picture: whether there is one.
    """

    name: str
    config: RunConfig
    method: Description
    step: int
    data: str
    license: str
    scores: Sequence[tuple[str, str]]
    picture: bool

    def text(self) -> str:
        """Return the file."""
        source, target = self.config.data.source or "A", self.config.data.target or "B"
        parts = [
            f"---\n{yaml.safe_dump(self._head(), sort_keys=False, allow_unicode=True)}---",
            f"# {self.name.rpartition('/')[2]}",
            f"{self.method.title}: {source} to {target}, {self._paper()}. "
            f"Weights after {self.step:,} steps at {self.config.data.size} px.",
            *([f"![inputs and their translations]({PICTURE})"] if self.picture else []),
            "## Use",
            f'```python\nimport instar\n\nmodel = instar.load("{self._address()}")\n'
            'model.translate("photo.jpg").save("translated.png")\n```',
            "## Data",
            self.data or "Not stated.",
            *(["## Scores", _table(("", "value"), self.scores)] if self.scores else []),
            "## License",
            self.license or UNSTATED,
            "## Settings",
            _table(("setting", "value"), self._settings()),
        ]
        return "\n\n".join(parts) + "\n"

    def _head(self) -> Mapping[str, Any]:
        short = self.license if self.license and " " not in self.license else "other"
        tags = ["instar", "image-to-image-translation", self.config.name]
        return {
            "library_name": "instar",
            "pipeline_tag": "image-to-image",
            "license": short.lower() if self.license else "unknown",
            "tags": tags,
        }

    def _address(self) -> str:
        return f"hf://{self.name}" if "/" in self.name else self.name

    def _paper(self) -> str:
        paper = self.method.paper
        return f"after [{self.method.citation}]({paper.url})" if paper else "a method of no paper"

    def _settings(self) -> list[tuple[str, str]]:
        rows = [("method", self.config.name), ("preset", self.config.preset)]
        for section in ("method", "data", "train"):
            values = getattr(self.config, section)
            usual = type(values)()
            for one in fields(values):
                value = getattr(values, one.name)
                if value != getattr(usual, one.name):
                    rows.append((f"{section}.{one.name}", str(value)))
        return rows


def _table(head: tuple[str, str], rows: Sequence[tuple[str, str]]) -> str:
    lines = [head, ("---", "---"), *rows]
    return "\n".join(f"| {_cell(left)} | {_cell(right)} |" for left, right in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", r"\|").split())
