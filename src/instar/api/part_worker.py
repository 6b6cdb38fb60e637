"""One of the processes of a scoring, see parts.py: `python -m instar.api.part_worker`."""

from __future__ import annotations

import io
import pickle
import sys
import threading
from typing import cast

from instar.api.parts import Done
from instar.api.worker import Sender, own_streams
from instar.core import registry


def main() -> int:
    """Do parts until no more come."""
    raw, results = own_streams()
    words = io.BufferedReader(cast(io.RawIOBase, raw))  # a pipe gives less than asked for
    send = Sender(results, threading.Event())
    work = None
    try:
        code = pickle.load(words)
        if code and code not in map(registry.code, registry.names()):
            registry.restore(code)
        while True:
            try:
                given = pickle.load(words)
            except EOFError:
                return 0
            if callable(given):
                work = given
            else:
                number, part = given
                assert work is not None
                send.send(Done(number, list(work(part))))
    except Exception as error:
        send.fail(error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
