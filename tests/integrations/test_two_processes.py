"""Two processes that train together by other trainers: each draws for itself."""

import json
import sys
from pathlib import Path

import pytest
from by_hand import digits

sys.path.append(str(Path(__file__).parents[1]))
from two_processes import launch

HERE = Path(__file__).parent


# Our own Learner has two processes in tests that are not slow, and tests/test_rng.py has ranks
# that differ.
@pytest.mark.slow
@pytest.mark.parametrize("trainer", ["accelerate", "fabric", "lightning", "timm", "transformers"])
def test_each_process_draws_for_itself(trainer, tmp_path):
    done = launch(HERE / "two_ranks.py", trainer, tmp_path, cwd=HERE)
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))

    assert len(first["seen"]) == len(second["seen"]) == 2
    for (weights, _, _), (others, _, _) in zip(first["seen"], second["seen"], strict=True):
        assert weights != others
    assert first["seed"] == second["seed"] or trainer == "timm"  # it has a mixer of its own
    assert first["weights"] == second["weights"]  # one model is trained
    labels = [label for rank in (first, second) for _, _, own in rank["seen"] for label in own]
    assert sorted(labels) == sorted(digits(64)[1].tolist())  # each sample of the data once
    for weights, partners, own in first["seen"] + second["seen"]:
        assert sorted(partners) == sorted(own)  # partners are of the same process
        assert all(0.5 <= weight <= 1 for weight in weights)
