"""What batches are made of: containers that are mixed, and those that say how they can be."""

import dataclasses
from collections import UserDict
from types import MappingProxyType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.masked import masked_tensor
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import DataLoader

from vicinal import ColumnMix, CutMix, ManifoldMixUp, MixCollate, MixedTensor, MixUp, halves
from vicinal.mixing.batch import leaves, map_leaves

Y = torch.arange(4)
FLAGS = torch.tensor([[True, False, True]]).expand(4, 3)


def ragged():
    return [torch.rand(n, 2) for n in (5, 4, 3, 1)]


UNSUPPORTED = {
    "packed": (lambda: pack_sequence(ragged()), "PackedSequence .* by pad_packed_sequence"),
    "jagged": (
        lambda: torch.nested.nested_tensor(ragged(), layout=torch.jagged),
        "nested tensor cannot be mixed: pad it by torch.nested.to_padded_tensor",
    ),
    "nested": (
        lambda: torch.nested.nested_tensor(ragged()),
        "nested tensor cannot be mixed: pad it by torch.nested.to_padded_tensor",
    ),
    "COO": (lambda: torch.eye(4).to_sparse(), r"sparse_coo\) cannot be mixed: give x.to_dense"),
    "CSR": (lambda: torch.eye(4).to_sparse_csr(), r"sparse_csr\) cannot be .*: give x.to_dense"),
    "masked": (lambda: masked_tensor(torch.rand(4, 3), FLAGS), r"x.to_tensor\(0\)"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("make_part", "message"), UNSUPPORTED.values(), ids=UNSUPPORTED)
class TestUnsupported:
    @pytest.fixture
    def part(self, make_part):
        return make_part()

    @pytest.mark.parametrize("make", [MixUp, CutMix, ColumnMix])
    def test_inputs_say_what_to_do(self, part, message, make):
        for x in (part, {"a": part}, (torch.rand(4, 3), part)):
            mixer = make(seed=0)
            with pytest.raises(TypeError, match=message):
                mixer(x, Y)
            assert mixer.random.draws == 0

    def test_targets_say_what_to_do(self, part, message):
        for y in (part, {"a": Y, "b": part}, {"b": part, "a": Y}):
            for x in (torch.rand(4, 3), {"a": torch.rand(4, 3)}):
                for inplace in (False, True):
                    with pytest.raises(TypeError, match=message):
                        MixUp(seed=0)(x, y, inplace=inplace)

    @pytest.mark.parametrize("inplace", [False, True])
    def test_what_is_not_mixed_is_left_alone(self, part, message, inplace):
        x = {"part": part, "a": torch.rand(4, 3)}
        expected, _ = MixUp(seed=0)(x["a"], Y)
        mixed, _ = MixUp(fields="a", seed=0)(x, Y, inplace=inplace)
        assert mixed["part"] is part
        assert torch.equal(mixed["a"], expected)

    def test_they_are_not_halved(self, part, message):
        with pytest.raises(TypeError, match=message):
            halves({"a": torch.rand(4, 3), "part": part})

    def test_nor_their_maximum_taken(self, part, message):
        with pytest.raises(TypeError, match=message):
            MixUp(maximum="part", seed=0)({"a": torch.rand(4, 3), "part": part}, Y)


def test_a_tensor_of_several_devices():
    class DTensor(torch.Tensor):
        """As torch.distributed's, which needs a process group."""

    with pytest.raises(TypeError, match=r"a DTensor cannot be mixed: mix batches before they are"):
        MixUp(seed=0)(torch.rand(4, 3).as_subclass(DTensor), Y)


def test_a_packed_sequence_can_be_mixed_behind_its_layer():
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = torch.nn.LSTM(2, 5), torch.nn.Linear(5, 3)

        def forward(self, x):
            return self.head(self.lstm(x["words"])[1][0][-1])

    model, x = Model(), {"words": pack_sequence(ragged()[:4]), "size": torch.arange(4.0)}
    plain = model(x)
    with ManifoldMixUp(model, "head", seed=0) as mixer:
        mixed, target = mixer(x, Y)
        assert torch.allclose(
            model(mixed), torch.lerp(plain[target.partner], plain, target.weight[:, None])
        )


class Subclass(dict):
    pass


def parts():
    return {"values": torch.rand(4, 3), "name": "rooms"}


MAPPINGS = {
    "dict subclass": Subclass,
    "UserDict": UserDict,
    "BatchFeature": lambda x: pytest.importorskip("transformers").BatchFeature(x),
    "BatchEncoding": lambda x: pytest.importorskip("transformers").BatchEncoding(x),
}


@pytest.mark.parametrize("make", MAPPINGS.values(), ids=MAPPINGS)
class TestMappings:
    def test_are_mixed_as_dicts(self, make):
        x = parts()
        expected, _ = MixUp(seed=0)(x, Y)
        batch = make(x)
        mixed, _ = MixUp(seed=0)(batch, Y)
        assert type(mixed) is type(batch)
        assert torch.equal(mixed["values"], expected["values"])
        assert mixed["name"] == "rooms"
        assert batch["values"] is x["values"]

    def test_inside_of_others_with_fields_and_a_second_batch(self, make):
        x = {"deep": [make(parts() | {"rest": torch.rand(4, 2)})]}
        other = {"deep": [make(parts() | {"rest": torch.rand(4, 2)})]}
        mixed, target = MixUp(fields="values", seed=0)(x, Y, other=(other, Y))
        own, second = x["deep"][0]["values"], other["deep"][0]["values"]
        assert torch.allclose(
            mixed["deep"][0]["values"], torch.lerp(second, own, target.weight[:, None])
        )
        assert mixed["deep"][0]["rest"] is x["deep"][0]["rest"]

    def test_as_targets_and_in_halves(self, make):
        y = make({"class": Y, "names": list("abcd")})
        _, target = MixUp(seed=0)(torch.rand(4, 3), y)
        assert torch.equal(target["class"].own, Y)
        assert halves(y)[1]["names"] == ["c", "d"]

    def test_in_a_loader(self, make):
        loader = DataLoader(
            [{"values": torch.rand(3), "labels": n} for n in range(4)],
            batch_size=4,
            collate_fn=MixCollate(
                MixUp(seed=0), lambda rows: make(torch.utils.data.default_collate(rows))
            ),
        )
        batch = next(iter(loader))
        assert isinstance(batch["labels"], MixedTensor)


def test_the_outputs_of_a_model_are_mixed():
    outputs = pytest.importorskip("transformers.modeling_outputs")
    x = outputs.BaseModelOutput(last_hidden_state=torch.rand(4, 3))
    expected, _ = MixUp(seed=0)(x.last_hidden_state, Y)
    mixed, _ = MixUp(seed=0)(x, Y)
    assert torch.equal(mixed.last_hidden_state, expected)


def test_a_mapping_that_cannot_be_changed_says_so():
    with pytest.raises(TypeError, match=r"batch\['a'\]: a mappingproxy cannot be mixed: give tens"):
        MixUp(seed=0)({"b": torch.rand(4, 3), "a": MappingProxyType(parts())}, Y)


def test_a_tensordict_from_a_collate_function():
    TensorDict = pytest.importorskip("tensordict").TensorDict

    def collate(samples):
        return TensorDict(torch.utils.data.default_collate(samples), batch_size=[len(samples)])

    data = [{"values": torch.rand(3), "more": {"a": torch.rand(2)}, "y": n} for n in range(4)]
    expected, target = MixUp(seed=0)({k: collate(data)[k] for k in ("values", "more")}, Y)
    batch = next(iter(DataLoader(data, 4, collate_fn=MixCollate(MixUp(seed=0), collate))))
    assert isinstance(batch, TensorDict)
    assert isinstance(batch["y"], MixedTensor)
    assert torch.equal(batch["values"], expected["values"])
    assert torch.equal(batch["more", "a"], expected["more"]["a"])
    output = torch.randn(4, 4)
    assert torch.equal(
        F.cross_entropy(output, batch["y"]), F.cross_entropy(output, target.dense(4))
    )


@dataclasses.dataclass
class Scaled:
    image: Any
    scale: dataclasses.InitVar[float] = 1.0
    unit: str = "m"

    def __post_init__(self, scale):
        self.image = self.image * scale


@dataclasses.dataclass
class Derived:
    image: Any
    scale: dataclasses.InitVar[float]
    mean: Any = dataclasses.field(init=False)

    def __post_init__(self, scale):
        self.mean = self.image.mean(1) * scale


class TestDataclasses:
    @pytest.mark.parametrize("scale", [1.0, 255.0])
    def test_what_init_alone_takes_is_not_applied_twice(self, scale):
        x = Scaled(torch.rand(4, 3), scale)
        expected, _ = MixUp(seed=0)(x.image, Y)
        mixed, _ = MixUp(seed=0)(x, Y)
        assert torch.equal(mixed.image, expected)
        assert (type(mixed), mixed.unit) == (Scaled, "m")

    def test_fields_made_of_it_cannot_be_made_again(self):
        with pytest.raises(TypeError, match="Derived computes 'mean' from values that it does not"):
            MixUp(seed=0)(Derived(torch.rand(4, 3), 2.0), Y)

    def test_reading_makes_no_new_one(self):
        made = []

        @dataclasses.dataclass
        class Checked:
            image: Any

            def __post_init__(self):
                assert isinstance(self.image, torch.Tensor)
                made.append(self)

        x = Checked(torch.rand(4, 3))
        assert len(leaves(x)) == 1
        assert map_leaves(lambda _, leaf: leaf, x) is x
        assert made == [x]
