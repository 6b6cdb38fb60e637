"""Training within masks: networks are told to keep hidden what is hidden of their input."""

from __future__ import annotations

from typing import Any

from torch import nn

from instar.core.config import RunConfig
from instar.core.errors import UserError, setting
from instar.core.method import Method
from instar.modules.masked import Masked


def limit_to_masks(method: Method[Any], config: RunConfig) -> None:
    """Tell the networks of a method that the images of this run have masks, if they have.

    Raises:
        UserError: a network that translates cannot keep to them; names the method.
    """
    if config.data.masks is None:
        return
    networks: dict[str, nn.Module] = {name: getattr(method, name) for name in method.translators}
    unfit = [name for name, network in networks.items() if not isinstance(network, Masked)]
    if unfit:
        codes = f"{config.name} draws images from codes ({', '.join(unfit)}), which no longer say where a mask is"
        why = codes if method.targets else f"{config.name} translates nothing, and its networks read whole images"
        remedy = "take a method that draws over its input, such as cut, cyclegan, quick or pix2pix"
        raise UserError(f"{setting('data.masks', config.data.masks)}: {why}; {remedy}")
    for module in method.modules():
        if isinstance(module, Masked):
            module.masked = True
