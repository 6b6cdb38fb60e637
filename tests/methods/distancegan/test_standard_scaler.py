import pytest
import torch

from instar.methods.distancegan.standard_scaler import StandardScaler


def test_the_values_measured_have_mean_0_and_deviation_1() -> None:
    values = torch.rand(50, dtype=torch.float64) * 0.1 + 3
    units = StandardScaler()
    units.fit(values)
    assert units.mean.item() == pytest.approx(values.mean().item())
    assert units.deviation.item() == pytest.approx(values.std(correction=0).item())  # of the population
    found = units(values)
    assert found.mean().item() == pytest.approx(0, abs=1e-5)
    assert found.std(correction=0).item() == pytest.approx(1, rel=1e-5)


def test_before_the_measurement_nothing_changes() -> None:
    values = torch.rand(5)
    assert torch.equal(StandardScaler()(values), values)


def test_a_checkpoint_holds_them() -> None:
    units, other = StandardScaler(), StandardScaler()
    units.fit(torch.tensor([1.0, 3.0]))
    other.load_state_dict(units.state_dict())
    assert other(torch.tensor([4.0])).tolist() == [2.0]
    assert not list(units.parameters())
