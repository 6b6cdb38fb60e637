"""Where the real images and weights are; nothing of them is part of the repository."""

import os
import runpy
from pathlib import Path

import pytest

from instar.metrics.features import MobileNetFeatures

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = Path(os.environ.get("INSTAR_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set INSTAR_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def weights(real_data):
    return real_data / "weights" / "mobilenet_v2_0.35_224_no_top_keras.npz"


@pytest.fixture(scope="session")
def network(weights):
    return MobileNetFeatures.load(weights)


@pytest.fixture(scope="session")
def score():
    """The names of benchmarks/score.py, which is no module."""
    return runpy.run_path(str(REPOSITORY / "benchmarks" / "score.py"))
