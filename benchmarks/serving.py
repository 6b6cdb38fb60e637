"""Throughput, waiting times and memory of a server under load, by clients on the same machine.

    python benchmarks/serving.py RUN [--seconds 20] [--side 64] [--garbage 10000]

Each row asks with so many clients at a time, each of which sends its next image when it has its answer. The first row
asks the library in this process, one image after the other. At the end the server is stopped under load: every request
that it had accepted must have been answered.
"""

from __future__ import annotations

import argparse
import http.client
import io
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import psutil
from PIL import Image

import instar
from instar.data import shapes

CLIENTS = (1, 4, 16, 64)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--garbage", type=int, default=10_000)
    args = parser.parse_args()
    images = [shapes.pair(number)[0].resize((args.side, args.side)) for number in range(32)]
    print(f"| clients | images a second | p50 ms | p99 ms | images in a batch | MB | answers |\n|{' --- |' * 7}")
    alone(args.run, images, args.seconds)
    process, port = start(args.run)
    contents = [png(image) for image in images]
    ask(port, contents[0])
    for clients in CLIENTS:
        before = counts(port)
        answers, took = load(port, contents, clients, args.seconds)
        after = counts(port)
        size = (after["images"] - before["images"]) / max(1, after["batches"] - before["batches"])
        row(str(clients), took, args.seconds, f"{size:.1f}", memory(process.pid), answers)
    refused = garbage(port, args.garbage)
    print(f"\ngarbage: {args.garbage} requests, {dict(refused)}; {memory(process.pid)} MB")
    print(f"an image after that: {ask(port, contents[0])}")
    stopped(process, port, contents)


def alone(run: str, images: list[Image.Image], seconds: float) -> None:
    """Translate one image after the other with the library."""
    model = instar.load(run, "cpu")
    model.translate(images[0])
    took: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        model.translate(images[len(took) % len(images)])
        took.append(time.monotonic() - began)
    row("library alone", took, seconds, "1", memory(os.getpid()), Counter())


def row(name: str, took: list[float], seconds: float, size: str, megabytes: int, answers: Counter[int]) -> None:
    """Print a line of the table."""
    p50, p99 = (1000 * np.percentile(took, part) if took else 0.0 for part in (50, 99))
    said = ", ".join(f"{status}: {count}" for status, count in sorted(answers.items()))
    print(f"| {name} | {len(took) / seconds:.1f} | {p50:.0f} | {p99:.0f} | {size} | {megabytes} | {said} |", flush=True)


def start(run: str) -> tuple[subprocess.Popen[str], int]:
    """Start a server and return it with its port."""
    command = [sys.executable, "-m", "instar.cli", "serve", run, "--port", "0", "--device", "cpu"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.search(r":(\d+);", line)
    if not found:
        raise SystemExit(line + process.stderr.read())
    threading.Thread(target=process.stderr.read, daemon=True).start()
    return process, int(found[1])


def png(image: Image.Image) -> bytes:
    """Return an image as a file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def ask(port: int, content: bytes) -> int:
    """Return the status of the answer to an image, 0 if there was none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("POST", "/v1/translate", content)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def load(port: int, contents: list[bytes], clients: int, seconds: float) -> tuple[Counter[int], list[float]]:
    """Ask with several clients for some time; return the statuses, and seconds of each good answer."""
    answers: Counter[int] = Counter()
    took: list[float] = []
    end, lock = time.monotonic() + seconds, threading.Lock()

    def client(number: int) -> None:
        while time.monotonic() < end:
            began = time.monotonic()
            status = ask(port, contents[number % len(contents)])
            with lock:
                answers[status] += 1
                if status == 200:
                    took.append(time.monotonic() - began)
            if status == 503:
                time.sleep(1)

    together(client, clients)
    return answers, took


def together(work: Callable[[int], None], count: int) -> None:
    """Do work in several threads."""
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def counts(port: int) -> dict[str, float]:
    """Return images and batches that the server has computed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()

    def total(name: str) -> float:
        return sum(float(one) for one in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))

    return {"images": total("instar_images_total"), "batches": total("instar_batch_images_count")}


def memory(pid: int) -> int:
    """Return the resident memory of a process in MB."""
    return int(psutil.Process(pid).memory_info().rss / 1e6)


def garbage(port: int, count: int) -> Counter[str]:
    """Send what is no request, or one that ends in the middle."""
    chance, lock = random.Random(0), threading.Lock()
    found: Counter[str] = Counter()
    heads = [b"POST /v1/translate HTTP/1.1\r\nContent-Length: 50\r\n\r\n", b"GET /", b"", b"\x16\x03"]
    thrown = [chance.choice(heads) + chance.randbytes(chance.randrange(300)) for _ in range(count)]

    def client(number: int) -> None:
        for content in thrown[number::8]:
            answer = "none"
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(content)
                connection.shutdown(socket.SHUT_WR)
                first = connection.recv(100)
                answer = first.split(b" ")[1].decode() if first.startswith(b"HTTP") else "none"
            with lock:
                found[answer] += 1

    together(client, 8)
    return found


def stopped(process: subprocess.Popen[str], port: int, contents: list[bytes]) -> None:
    """Stop the server while 32 requests are under way, and say what became of them."""
    answers: Counter[int] = Counter()
    lock = threading.Lock()

    def client(number: int) -> None:
        status = ask(port, contents[number % len(contents)])
        with lock:
            answers[status] += 1

    def stop(number: int) -> None:
        if number:
            client(number)
        else:
            time.sleep(0.1)
            process.send_signal(signal.SIGTERM)

    together(stop, 33)
    print(f"stopped under load: {dict(answers)} of 32, exit code {process.wait(60)}")


if __name__ == "__main__":
    main()
