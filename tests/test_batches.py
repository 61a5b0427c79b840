"""BatchMixer and MixCollate: what they add to a mixer."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import default_collate
from torchvision.transforms import v2

from vicinal import BatchMixer, MixCollate, MixUp, Remix, as_tensors
from vicinal.mixed.tensor import own_targets
from vicinal.mixing import blocks

X, Y = F.one_hot(torch.arange(6) % 3).float(), torch.arange(6) % 3
ROWS = [*zip(X, Y, strict=True)]
MIXED = "the targets are mixed already: mix a batch once, by one mixer"


@pytest.mark.parametrize("mixer", [MixUp(seed=1), Remix([9, 9, 1], seed=1)], ids=["mixup", "remix"])
def test_a_mixed_batch_is_not_mixed_again(mixer):
    x, y = MixUp(seed=0)(X, Y)
    for targets in (y, as_tensors(y)):
        with pytest.raises(TypeError, match=MIXED):
            BatchMixer(mixer)((x, targets))
        with pytest.raises(TypeError, match="mixed already"):
            BatchMixer(mixer)({"x": x, "label": {"class": targets}})
        with pytest.raises(TypeError, match="mixed already"):  # another entry is the target
            BatchMixer(mixer, target="index")({"x": x, "y": targets, "index": torch.arange(6)})
    assert mixer.state_dict()["draws"] == 0
    with pytest.raises(TypeError, match=MIXED):
        MixCollate(mixer, MixCollate(MixUp()))(ROWS)


def test_a_mixed_batch_is_not_mixed_again_in_a_loop():
    x, y = MixUp(seed=0)(X, Y)
    for targets in (y, as_tensors(y)):
        with pytest.raises(TypeError, match=MIXED):
            MixUp()(x, targets)
        with pytest.raises(TypeError, match=r"at \['class'\] is mixed already"):
            MixUp()(x, {"class": targets})


def test_soft_targets_of_torchvisions_mixup_may_be_mixed_again():
    """They are plain rows of shares; each sample is its own label here, so both must agree."""

    def collate(rows):
        return v2.MixUp(num_classes=3)(*torch.utils.data.default_collate(rows))

    torch.manual_seed(0)
    x, y = MixCollate(MixUp(seed=0), collate)([(x.view(1, 1, 3), y) for x, y in ROWS])
    output = torch.randn(6, 3)
    torch.testing.assert_close(F.cross_entropy(output, y), F.cross_entropy(output, x.view(6, 3)))


def test_another_librarys_mixup_for_a_mixer():
    with pytest.raises(TypeError, match=r"needed, not torchvision\..*MixUp: import vicinal's afte"):
        BatchMixer(v2.MixUp(num_classes=3))


def test_dicts_of_other_libraries():
    feature = pytest.importorskip("transformers").BatchFeature
    weight = torch.rand(6)
    x, _ = MixUp(seed=0)(X, Y)
    batch = {"x": X, "labels": Y, "sample_weight": weight}
    mixed = MixCollate(MixUp(seed=0), lambda _: feature(batch))(ROWS)
    assert type(mixed) is feature
    torch.testing.assert_close(mixed["x"], x)
    for name, own in (("labels", Y), ("sample_weight", weight)):
        found = mixed[name]
        assert torch.equal(own_targets(found), own)
        assert torch.equal(found.partner, MixUp(seed=0)(X, own)[1].partner)


@pytest.mark.parametrize("mix", [BatchMixer(MixUp(seed=0)), MixCollate(MixUp(seed=0))])
def test_random_numbers_are_drawn_once_for_sixteen_batches(mix, monkeypatch):
    drawn, draw = [], blocks._draw_block
    monkeypatch.setattr(blocks, "_draw_block", lambda *args: drawn.append(args) or draw(*args))
    for _ in range(16):
        batch = [(torch.rand(3), torch.rand(2), label) for label in range(4)]
        batch = [((one, two), label) for one, two, label in batch]
        mix(default_collate(batch) if isinstance(mix, BatchMixer) else batch)
    assert len(drawn) == 1
