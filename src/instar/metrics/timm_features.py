"""Image features of any network of the library timm."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from instar.core.errors import UserError, setting
from instar.metrics.features import SquareFeatures


class TimmFeatures(SquareFeatures):
    """A network of timm up to its pooled features. `load` gives the trained network."""

    @classmethod
    def load(cls, name: str, weights: Path | None = None) -> TimmFeatures:
        """Return a network with trained weights.

        Args:
            name: as timm has it, with or without the name of its weights, such as resnet18.a1_in1k.
            weights: file of its weights, .safetensors or of PyTorch; timm fetches them if None.

        Raises:
            UserError: the library or such a network is missing, or its weights can be neither read nor fetched.
        """
        asked = setting("extractor", f"timm:{name}")
        try:
            timm: Any = import_module("timm")  # seconds, and most extractors do not need it
        except ImportError as error:
            raise UserError(f"{asked} needs a library: pip install '.[timm]' ({error})") from error
        if not timm.is_model(name.partition(".")[0]):
            close = get_close_matches(name, timm.list_models(), n=1, cutoff=0.5)
            hint = f"; did you mean {close[0]!r}?" if close else "; timm.list_models() names them"
            raise UserError(f"{asked}: there is no such network{hint}")
        network = _from_file(timm, name, weights) if weights else _fetched(timm, name)
        facts = timm.data.resolve_data_config({}, model=network)
        return cls(network, facts["input_size"][-1], facts["mean"], facts["std"])


def _fetched(timm: Any, name: str) -> nn.Module:
    try:
        network: nn.Module = timm.create_model(name, pretrained=True, num_classes=0)
    except Exception as error:  # each of its hubs and readers has errors of its own
        asked, file = setting("extractor", f"timm:{name}"), setting("weights", "model.safetensors")
        raise UserError(
            f"{asked}: its weights can be neither read nor fetched ({_first_line(error)}): fetch them where there is a "
            f"network, timm.create_model({name!r}, pretrained=True).pretrained_cfg says from where, and name the file "
            f"with {file}"
        ) from error
    return network


def _from_file(timm: Any, name: str, weights: Path) -> nn.Module:
    network: Any = timm.create_model(name, pretrained=False)
    try:
        safe = weights.suffix == ".safetensors"
        state = load_file(weights) if safe else torch.load(weights, map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    except Exception as error:  # a file of another kind makes the readers raise nearly anything
        said = f"not the weights of timm:{name} ({_first_line(error)})"
        raise UserError(f"{setting('weights', weights)}: {said}; expected what timm fetches for it") from error
    network.reset_classifier(0)
    whole: nn.Module = network
    return whole


def _first_line(error: Exception) -> str:
    return " ".join((str(error).splitlines() or [type(error).__name__])[0].split())[:200]
