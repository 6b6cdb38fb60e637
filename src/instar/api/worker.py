"""One of the processes of a training, see processes.py: `python -m instar.api.worker`."""

from __future__ import annotations

import os
import pickle
import sys
import threading
import traceback
from typing import IO

from instar.api.processes import STOP, Job
from instar.api.workers import Ended, Failed
from instar.core.events import Event, ignore


class Sender:
    """Sends what happens to the process that started this one; its end is the word to stop."""

    def __init__(self, stream: IO[bytes], stop: threading.Event) -> None:
        self._stream, self._stop = stream, stop

    def __call__(self, event: Event) -> None:
        """Send an event."""
        self.send(event)

    def send(self, item: object) -> None:
        """Send anything that the other side understands."""
        try:
            pickle.dump(item, self._stream)
            self._stream.flush()
        except OSError:  # nobody is there any more
            self._stop.set()

    def fail(self, error: Exception) -> None:
        """Send an error; one that cannot be sent is put into words."""
        lines = traceback.format_exc()
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            error = RuntimeError(f"{type(error).__name__}: {error}")
        self.send(Failed(error, lines))


def own_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Return what comes from the process that started this one, and what goes there.

    Whatever else prints, in this process or a library's C code, goes to stderr instead.
    """
    results = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(sys.stdin.fileno(), "rb", buffering=0, closefd=False), results


def main() -> int:
    """Do the job that comes on stdin; the exit code is 0 if it was done or stopped."""
    words, events = own_streams()
    stop = threading.Event()
    send = Sender(events, stop)
    try:
        job = Job.decoded(words.readline())
        threading.Thread(target=_wait_for_stop, args=(words, stop), daemon=True).start()
        from instar.api.session import work

        work(job, send if os.environ["RANK"] == "0" else ignore, stop, spawned=True)
    except Exception as error:
        send.fail(error)
        return 1
    send.send(Ended())
    return 0


def _wait_for_stop(words: IO[bytes], stop: threading.Event) -> None:
    line = words.readline()
    while line not in (b"", STOP):
        line = words.readline()
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
