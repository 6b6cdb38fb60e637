import re
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("python_multipart")
from instar.serving.asking import style_in
from instar.serving.limits import Limits
from instar.serving.openapi import described


def test_the_description_says_what_is_known() -> None:
    """Of a model that was never loaded not what it translates; of styles how many numbers."""

    def parameters(*models: dict[str, Any]) -> dict[str, Any]:
        post = described(Limits(), False, models)["paths"]["/v1/translate"]["post"]
        form = post["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
        found = {one["name"]: one["schema"] for one in post["parameters"]}
        assert set(form) == {*found, "image", *(["reference"] if "style" in found else [])}
        return found

    plain = {"name": "a", "targets": ["cat"], "style_size": 0}
    styled = {"name": "b", "targets": ["cat", "dog"], "style_size": 3}
    unknown = {"name": "c"}
    assert "style" not in parameters(plain)
    both = parameters(plain, styled)
    assert both["to"]["enum"] == ["cat", "dog"]
    for text, fits in (("0,-1.25,3", True), ("0,1", False), ("0,1,2,3", False), ("a,b,c", False)):
        assert bool(re.search(both["style"]["pattern"], text)) == fits
        if fits:
            assert style_in(text) is not None
    assert parameters(plain, unknown)["to"] == {"type": "string"}
    assert parameters(unknown)["style"] == {"type": "string"}
