"""Networks of the user's own, named as module.path:callable."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path

from torch import nn

from instar.core.errors import UserError, setting


def load_network(name: str, parameter: str, *arguments: object) -> nn.Module:
    """Call a function or class, also one in a file of the current folder, and return its network, frozen.

    Args:
        name: module.path:callable.
        parameter: the setting that names it, for messages.
        arguments: what it is given.

    Raises:
        UserError: there is no such function or class of `nn.Module`, or it returns no `nn.Module`.
    """
    module, _, attribute = name.partition(":")
    try:
        make: Callable[..., object] = getattr(_import_from_here(module), attribute)
    except (ImportError, AttributeError) as error:
        said = f"{error}; write module.path:callable, from this folder"
        raise UserError(f"{setting(parameter, name)}: {said}") from error
    if not (inspect.isfunction(make) or (inspect.isclass(make) and issubclass(make, nn.Module))):
        raise UserError(f"{setting(parameter, name)}: it is neither a Python function nor a class of nn.Module")
    network = make(*arguments)
    if not isinstance(network, nn.Module):
        raise UserError(f"{setting(parameter, name)}: it returns a {type(network).__name__}, not an nn.Module")
    return network.requires_grad_(False).eval()


def _import_from_here(module: str) -> object:
    """Import a module, also from the current folder, which is no place of import for an installed command."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    finally:
        sys.path.remove(here)
