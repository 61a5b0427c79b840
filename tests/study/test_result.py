"""The files that hold what a run gave."""

import pytest
import torch

from vicinal import VicinalError
from vicinal.study.result import Result


def test_a_flipped_bit_is_said(tmp_path):
    file = tmp_path / "a.result"
    result = Result(
        "plain", 3, history=[{"epoch": 1}], values={"accuracy": torch.rand(50).double()}
    )
    result.save(file)
    found = Result.load(file)
    assert found.values["accuracy"].equal(result.values["accuracy"])
    content = file.read_bytes()
    for place in range(100, len(content), 37):
        changed = bytearray(content)
        changed[place] ^= 4
        file.write_bytes(bytes(changed))
        with pytest.raises(VicinalError, match=r"a\.result (is damaged|cannot be read)"):
            Result.load(file)
