import pytest
import torch

from instar.core.batch import Paired
from instar.core.device import has_bf16, pick_device
from instar.core.errors import UserError


@pytest.mark.parametrize(("cuda", "mps", "picked"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_auto_takes_the_first_there_is(monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, picked: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert pick_device("auto") == picked
    assert pick_device("cpu") == "cpu"


def test_one_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"device=cuda: not available here \(there is: cpu\)"):
        pick_device("cuda")


@pytest.mark.skipif(not hasattr(torch.cpu, "get_capabilities"), reason="this PyTorch lists no instructions")
def test_processors_that_only_imitate_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    def there(**found: bool) -> bool | None:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "some", **found})
        return has_bf16("cpu")

    assert there(avx512_f=True, amx_bf16=True)
    assert there(avx512_bf16=True)
    assert there(neon=True, bf16=True)
    assert not there(avx2=True, avx512_f=True, avx512_bf16=False, amx_bf16=False)
    assert there(neon=True) is False


def test_what_is_not_known_of_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_bf16("mps") is None
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)
    assert has_bf16("cuda") is False
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert has_bf16("cpu") is None


def test_a_batch_keeps_its_kind_and_names() -> None:
    batch = Paired(torch.zeros(1), torch.ones(1), ("a.png", "b.png")).to(torch.device("meta"))
    assert type(batch) is Paired
    assert (batch.a.device.type, batch.b.device.type, batch.names) == ("meta", "meta", ("a.png", "b.png"))
