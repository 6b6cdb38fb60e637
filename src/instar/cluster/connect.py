"""A Ray cluster: reached, or started on this machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from instar.core.errors import UserError, setting


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Give the library Ray, connected to a cluster for as long as the context lasts.

    All its machines must have Instar installed, and the folders of images, runs and results under the same paths.

    Args:
        address: of the cluster, as ``ray.init`` takes it; ``local`` starts one on this machine.

    Raises:
        UserError: Ray is not installed, or no cluster could be reached or started.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that is started here reports to nobody
    try:
        import ray  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise UserError(f"{setting('ray')} needs the library Ray: pip install '.[ray]'") from error
    try:
        ray.init(address=address, logging_level=logging.WARNING)
    except Exception as error:  # of many kinds, a bare Exception among them
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{setting('ray', address)}: no cluster could be reached or started ({why})") from error
    try:
        yield ray
    finally:
        ray.shutdown()
