"""`import instar` is light, and what it names comes when it is used."""

import json
import subprocess
import sys

PROBE = """
import json, sys, time
start = time.perf_counter()
import instar
seconds = time.perf_counter() - start
heavy = {"torch", "torchvision", "numpy", "yaml", "cattrs", "rich", "tyro", "lightning_fabric", "importlib.metadata"}
before = sorted(heavy & set(sys.modules))
listed = dir(instar)
still = sorted(heavy & set(sys.modules))
named = [instar.names()[0], instar.UserError.__name__, callable(instar.train), callable(instar.resume)]
late = sorted({"torch", "numpy", "lightning_fabric"} & set(sys.modules))
print(json.dumps([seconds, before, still, sorted(set(instar.__all__) - set(listed)), named, late]))
"""


def test_it_is_quick_and_loads_nothing_heavy() -> None:
    runs = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True, timeout=60)
        runs.append(json.loads(done.stdout))
    assert min(seconds for seconds, *_ in runs) < 0.15
    _, before, still, unlisted, named, late = runs[0]
    assert before == still == unlisted == late == []
    assert named == ["bicyclegan", "UserError", True, True]
