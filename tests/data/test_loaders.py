"""Batches: which samples come when, and what is said about data that cannot be trained on."""

import math
import re
import weakref
from itertools import chain

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vicinal.data.augment import BatchTransform, Normalize
from vicinal.data.loaders import DataLoaders
from vicinal.data.sampler import EpochSampler
from vicinal.data.split_loader import Batches, TensorData
from vicinal.errors import VicinalError


class Jitter(BatchTransform):
    """Adds a draw to each sample, in training alone."""

    def train(self, x, generator):
        return x + torch.rand(len(x), 1, generator=generator) / 2


class Failing(TensorData):
    """Has a sample that the user has to mend."""

    def __getitems__(self, indices):
        if 7 in indices:
            raise VicinalError("sample 7 is broken: repair it")
        return super().__getitems__(indices)


class Sparse(TensorData):
    """Gives only the samples from ``first`` on; a batch may be empty."""

    first = 8

    def __getitems__(self, indices):
        return super().__getitems__([i for i in indices if i >= self.first])


def counted(count=20, kind=TensorData):
    """Samples whose input and target are their number."""
    numbers = torch.arange(count)
    return kind(numbers[:, None].float(), numbers)


def batches(count=20, size=4, training=True, kind=TensorData, **kwargs):
    return Batches(counted(count, kind), size, training=training, device="cpu", **kwargs)


def targets(part):
    return [y.tolist() for _, y in part]


def epochs(part, count=1):
    return [torch.cat([x for x, _ in part]) for _ in range(count)]


class TestSampler:
    @given(
        count=st.integers(1, 100),
        size=st.integers(1, 40),
        shuffle=st.booleans(),
        seed=st.integers(-(2**63), 2**63 - 1),
    )
    def test_each_sample_comes_once_an_epoch(self, count, size, shuffle, seed):
        order = EpochSampler(count, size, shuffle=shuffle, seed=seed)
        given = list(order)
        flat = list(chain(*given))
        assert len(given) == len(order)
        assert len(set(flat)) == len(flat)
        assert set(flat) <= set(range(count))
        assert len(flat) == (count // size * size if shuffle else count)

    def test_a_last_batch_that_is_not_full_is_dropped_in_training_alone(self):
        assert [len(b) for b in EpochSampler(10, 4, shuffle=True, seed=0)] == [4, 4]
        assert list(EpochSampler(10, 4, shuffle=False, seed=0)) == [
            [0, 1, 2, 3],
            [4, 5, 6, 7],
            [8, 9],
        ]

    def test_each_epoch_has_its_own_shuffle(self):
        order = EpochSampler(100, 100, shuffle=True, seed=0)
        assert len({tuple(indices) for _ in range(5) for indices in order}) == 5

    def test_the_seed_decides_all_shuffles(self):
        first, again, other = (EpochSampler(50, 50, shuffle=True, seed=seed) for seed in (1, 1, 2))
        two_epochs = [list(first), list(first)]
        assert two_epochs == [list(again), list(again)]
        assert two_epochs != [list(other), list(other)]

    def test_an_epoch_is_not_another_seed_s(self):
        following = EpochSampler(50, 50, shuffle=True, seed=0)
        list(following)
        assert list(following) != list(EpochSampler(50, 50, shuffle=True, seed=1))

    def test_any_place_is_as_likely(self):
        order = EpochSampler(4, 4, shuffle=True, seed=0)
        first = torch.tensor([next(iter(order))[0] for _ in range(2000)])
        assert (first.bincount() / 2000 - 0.25).abs().max() < 0.04


class TestBatches:
    def test_input_and_target_belong_together(self):
        for x, y in batches():
            assert torch.equal(x[:, 0], y.float())

    def test_each_sample_comes_once_an_epoch(self):
        part = batches(20, 4)
        for _ in range(3):
            assert sorted(chain(*targets(part))) == list(range(20))

    def test_last_batches(self):
        assert [len(y) for _, y in batches(10, 4)] == [4, 4]
        assert [len(y) for _, y in batches(10, 4, training=False)] == [4, 4, 2]
        assert (len(batches(10, 4)), len(batches(10, 4, training=False))) == (2, 3)

    def test_validation_keeps_its_order_and_changes_nothing_at_random(self):
        part = batches(10, 4, training=False, transforms=[Jitter()])
        for _ in range(2):
            assert epochs(part)[0].flatten().tolist() == list(range(10))

    def test_the_seed_decides_order_and_random_changes(self):
        first, again, other = (batches(transforms=[Jitter()], seed=seed) for seed in (5, 5, 6))
        two_epochs = torch.stack(epochs(first, 2))
        assert torch.equal(two_epochs, torch.stack(epochs(again, 2)))
        assert not torch.equal(two_epochs, torch.stack(epochs(other, 2)))

    def test_each_epoch_has_its_own_order_and_random_changes(self):
        part = batches(transforms=[Jitter()])
        first, second = epochs(part, 2)
        assert first.floor().tolist() != second.floor().tolist()
        assert not set((first % 1).flatten().tolist()) & set((second % 1).flatten().tolist())

    @pytest.mark.parametrize("stopped_after", [1, 3])
    def test_who_stops_in_the_middle_goes_on_to_the_next_epoch(self, stopped_after):
        whole = epochs(batches(transforms=[Jitter()]), 2)
        part = batches(transforms=[Jitter()])
        for step, _ in enumerate(part, 1):
            if step == stopped_after:
                break
        assert torch.equal(epochs(part)[0], whole[1])

    def test_an_iteration_that_is_still_alive_does_not_hold_back_the_epochs(self):
        whole = epochs(batches(transforms=[Jitter()]), 2)
        part = batches(transforms=[Jitter()])
        unfinished = iter(part)
        next(unfinished)
        second = epochs(part)[0]
        assert torch.equal(second, whole[1])
        assert len(list(unfinished)) == len(part) - 1

    def test_an_error_in_the_middle_goes_on_to_the_next_epoch(self):
        part = batches(20, 20)
        with pytest.raises(ZeroDivisionError):
            [1 / 0 for _ in part]
        assert targets(part) == [epochs(batches(20, 20), 2)[1].flatten().tolist()]

    def test_an_epoch_neither_reads_nor_moves_the_global_generator(self):
        results = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            before = torch.get_rng_state()
            results.append(torch.stack(epochs(batches(transforms=[Jitter()]), 2)))
            assert torch.equal(torch.get_rng_state(), before)
        assert torch.equal(*results)

    def test_worker_processes_change_nothing_of_the_batches(self):
        plain, with_workers = (batches(transforms=[Jitter()], workers=n) for n in (0, 2))
        assert torch.equal(torch.stack(epochs(plain, 2)), torch.stack(epochs(with_workers, 2)))

    def test_worker_processes_stopped_in_the_middle_go_on_to_the_next_epoch(self):
        whole = epochs(batches(), 3)
        part = batches(workers=2)
        next(iter(part))
        part.first()
        assert torch.equal(torch.stack(epochs(part, 2)), torch.stack(whole[1:]))

    def test_looking_at_the_first_batch_disturbs_no_worker_processes(self):
        expected, part, given = epochs(batches())[0], batches(workers=2), []
        for x, _ in part:
            part.first()
            given.append(x)
        assert torch.equal(torch.cat(given), expected)

    @pytest.mark.parametrize("workers", [0, 2])
    def test_an_error_of_the_data_is_raised_in_its_own_words(self, workers):
        part = batches(kind=Failing, workers=workers)
        for _ in range(2):
            with pytest.raises(VicinalError, match=r"^sample 7 is broken: repair it$"):
                list(part)

    def test_an_error_of_the_data_lets_the_worker_processes_go_at_once(self):
        part = batches(kind=Failing, workers=2)
        with pytest.raises(VicinalError):
            list(part)
        loader = weakref.ref(part._loader)
        del part
        assert loader() is None

    @pytest.mark.parametrize("workers", [0, 2])
    def test_batches_of_which_nothing_is_left_are_passed_over(self, workers):
        part = batches(10, 4, training=False, kind=Sparse, workers=workers)
        assert targets(part) == [[8, 9]]

    def test_data_of_which_nothing_is_left(self, monkeypatch):
        monkeypatch.setattr(Sparse, "first", 100)
        with pytest.raises(VicinalError, match="none of the 20 samples can be read"):
            list(batches(kind=Sparse))

    def test_images_are_channels_last(self):
        data = TensorData(torch.rand(8, 3, 5, 5), torch.arange(8))
        for training in (True, False):
            for x, _ in Batches(data, 4, training=training, device="cpu"):
                assert x.is_contiguous(memory_format=torch.channels_last)
                assert x.shape == (4, 3, 5, 5)

    def test_the_data_are_left_alone(self):
        data = counted()
        part = Batches(data, 4, training=True, device="cpu")
        for x, y in part:
            x.zero_()
            y.zero_()
        assert torch.equal(data.x, counted().x)
        assert torch.equal(data.y, counted().y)

    @pytest.mark.parametrize("size", [0, -3])
    @pytest.mark.parametrize("training", [True, False])
    def test_a_batch_size_below_one(self, size, training):
        with pytest.raises(VicinalError, match=f"must be 2 or more, not {size}"):
            batches(size=size, training=training)

    def test_a_batch_of_one_in_training(self):
        with pytest.raises(VicinalError, match=r"no partner to mix with: use .* 2 or more"):
            batches(size=1)
        assert len(batches(size=1, training=False)) == 20

    def test_a_batch_larger_than_the_data(self):
        with pytest.raises(VicinalError, match=r"size 21 is larger than the 20 .* use 20 or less"):
            batches(20, 21)
        assert len(batches(20, 20)) == 1
        assert targets(batches(3, 8, training=False)) == [[0, 1, 2]]


def tensors(count=20, classes=3):
    x = torch.rand(count, 4, generator=torch.Generator().manual_seed(0))
    return x, torch.arange(count) % classes


def from_tensors(x=None, y=None, x_valid=None, y_valid=None, **kwargs):
    default_x, default_y = tensors()
    given = [
        default if tensor is None else tensor
        for tensor, default in zip(
            (x, y, x_valid, y_valid), (default_x, default_y) * 2, strict=True
        )
    ]
    return DataLoaders.from_tensors(*given, **{"bs": 4, "device": "cpu"} | kwargs)


class TestFromTensors:
    def test_classes(self):
        dls = from_tensors()
        x, y = dls.one_batch()
        assert (x.shape, y.shape, y.dtype) == ((4, 4), (4,), torch.int64)
        assert (dls.c, dls.vocab, dls.bs) == (3, ["0", "1", "2"], 4)
        assert (len(dls.train), len(dls.valid), dls.valid.batch_size) == (5, 3, 8)

    def test_classes_that_only_validation_has_are_counted(self):
        assert from_tensors(y_valid=torch.arange(20) % 5).c == 5

    def test_classes_with_names(self):
        dls = from_tensors(vocab=["ant", "bee", "cat", "dog"])
        assert dls.c == 4
        assert dls.label(torch.tensor(1)) == "bee"

    @pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.bool])
    def test_class_indices_of_any_integer_type(self, dtype):
        y = (torch.arange(20) % 2).to(dtype)
        assert from_tensors(y=y, y_valid=y).one_batch()[1].dtype == torch.int64

    def test_single_values_become_columns(self):
        y = torch.rand(20)
        dls = from_tensors(y=y, y_valid=y)
        assert (dls.vocab, dls.c) == (None, 1)
        assert [part.shape for _, part in dls.train] == [(4, 1)] * 5
        assert torch.equal(torch.cat([part for _, part in dls.valid]), y[:, None])

    def test_several_values_a_sample(self):
        y = torch.rand(20, 2)
        dls = from_tensors(y=y, y_valid=y)
        assert dls.c == 2
        assert dls.one_batch()[1].shape == (4, 2)
        assert dls.label(torch.tensor([0.5, 1.25])) == "0.5, 1.25"

    def test_grey_images_without_a_channel_are_refused(self):
        x = torch.randint(0, 200, (20, 28, 28), dtype=torch.uint8)
        with pytest.raises(VicinalError, match=r"not \(20, 28, 28\): give grey ones a channel by"):
            from_tensors(x=x, x_valid=x)

    def test_uint8_images_are_normalised(self):
        x = torch.randint(0, 200, (20, 3, 6, 6), dtype=torch.uint8)
        dls = from_tensors(x=x, x_valid=x)
        assert isinstance(dls.normalize, Normalize)
        seen = torch.cat([batch for batch, _ in dls.valid])
        torch.testing.assert_close(seen.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
        torch.testing.assert_close(seen.std((0, 2, 3)), torch.ones(3), atol=1e-2, rtol=0)
        assert torch.equal((dls.pictures(seen) * 255).round().byte(), x)

    def test_validation_images_are_normalised_like_training_images(self):
        x = torch.randint(0, 200, (20, 3, 6, 6), dtype=torch.uint8)
        dls = from_tensors(x=x, x_valid=x // 2)
        seen = torch.cat([batch for batch, _ in dls.valid])
        assert torch.equal((dls.pictures(seen) * 255).round().byte(), x // 2)

    def test_floats_are_left_as_they_are(self):
        x = torch.rand(20, 3, 6, 6)
        dls = from_tensors(x=x, x_valid=x)
        assert dls.normalize is None
        assert torch.equal(torch.cat([batch for batch, _ in dls.valid]), x)

    def test_transforms_that_are_given_are_the_only_ones(self):
        x = torch.randint(0, 200, (20, 3, 6, 6), dtype=torch.uint8)
        assert from_tensors(x=x, x_valid=x, transforms=[]).one_batch()[0].dtype == torch.uint8

    def test_image_batches_are_channels_last(self):
        x = torch.rand(20, 3, 6, 6)
        batch, _ = from_tensors(x=x, x_valid=x).one_batch()
        assert batch.is_contiguous(memory_format=torch.channels_last)

    @pytest.mark.parametrize("part", ["training", "validation"])
    @pytest.mark.parametrize("wrap", [lambda y: {"a": y, "b": y}, lambda y: (y, y), list])
    def test_targets_that_are_no_tensor_are_refused(self, part, wrap):
        wrong = {"y" if part == "training" else "y_valid": wrap(tensors(20)[1])}
        message = f"the {part} targets are a (dict|tuple|list), not a tensor: give one tensor, and"
        with pytest.raises(VicinalError, match=message):
            from_tensors(**wrong)

    @pytest.mark.parametrize("part", ["training", "validation"])
    def test_lengths_that_differ(self, part):
        wrong = {"y" if part == "training" else "y_valid": tensors(19)[1]}
        message = rf"the {part} part has 20 inputs, but 19 targets: give one for each"
        with pytest.raises(VicinalError, match=message):
            from_tensors(**wrong)

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("x", "training inputs"),
            ("y", "training targets"),
            ("x_valid", "validation inputs"),
            ("y_valid", "validation targets"),
        ],
    )
    def test_a_value_that_is_not_finite_is_named_with_its_row(self, name, meant, value):
        given = {"y": torch.rand(20, 4), "y_valid": torch.rand(20, 4)}
        given[name] = torch.rand(20, 4)
        given[name][17, 2] = given[name][13, 1] = value
        message = rf"the {meant} hold NaN or infinite values, first in row 13: remove or replace"
        with pytest.raises(VicinalError, match=message):
            from_tensors(**given)

    def test_one_class(self):
        with pytest.raises(VicinalError, match=r"all training samples are of class 2: .* two"):
            from_tensors(y=torch.full((20,), 2))

    @pytest.mark.parametrize("name", ["y", "y_valid"])
    def test_a_negative_label(self, name):
        y = tensors()[1]
        y[3] = -1
        with pytest.raises(VicinalError, match="the label -1 is missing or negative"):
            from_tensors(**{name: y})

    @pytest.mark.parametrize("name", ["y", "y_valid"])
    def test_a_label_without_name(self, name):
        with pytest.raises(VicinalError, match="the label 2 has no name: vocab names 2 classes"):
            from_tensors(**{name: tensors()[1]}, vocab=["ant", "bee"])

    @pytest.mark.parametrize("name", ["y", "y_valid"])
    def test_class_indices_of_a_wrong_shape(self, name):
        message = r"class indices have shape \(N,\), not \(20, 1\): several labels .* as floats"
        with pytest.raises(VicinalError, match=message):
            from_tensors(**{name: tensors()[1][:, None]})

    def test_classes_in_one_part_and_values_in_the_other(self):
        message = "training targets are torch.int64, but validation targets torch.float32: give"
        with pytest.raises(VicinalError, match=re.escape(message)):
            from_tensors(y_valid=torch.rand(20))

    def test_a_batch_of_one(self):
        with pytest.raises(VicinalError, match="a batch of one sample has no partner"):
            from_tensors(bs=1)

    def test_a_batch_larger_than_the_data(self):
        with pytest.raises(VicinalError, match="the batch size 64 is larger than the 20 training"):
            from_tensors(bs=64)

    @pytest.mark.parametrize("part", ["training", "validation"])
    def test_no_samples(self, part):
        x, y = tensors(0)
        given = {"x": x, "y": y} if part == "training" else {"x_valid": x, "y_valid": y}
        with pytest.raises(VicinalError, match=f"the {part} part is empty"):
            from_tensors(**given)


class TestDataLoaders:
    def test_one_batch_is_the_first_of_the_training_to_come(self):
        dls = from_tensors(transforms=[Jitter()])
        x, y = dls.one_batch()
        first_x, first_y = next(iter(dls.train))
        assert torch.equal(x, first_x)
        assert torch.equal(y, first_y)

    def test_one_batch_changes_nothing_of_the_training_to_come(self):
        looked_at, left_alone = (from_tensors(transforms=[Jitter()], seed=3) for _ in range(2))
        seen = []
        for _ in range(2):
            looked_at.one_batch()
            for x, _ in looked_at.train:
                looked_at.one_batch()
                seen.append(x)
        assert torch.equal(torch.cat(seen), torch.cat(epochs(left_alone.train, 2)))

    def test_a_test_batch_is_treated_as_the_validation_part_s_are(self):
        x = torch.randint(0, 256, (20, 3, 6, 6), dtype=torch.uint8)
        dls = from_tensors(x=x, x_valid=x)
        expected, _ = next(iter(dls.valid))
        torch.testing.assert_close(dls.test_batch(list(x[:8])), expected)

    def test_batches_go_to_another_device(self):
        dls = from_tensors()
        assert dls.to("meta") is dls
        assert dls.device.type == "meta"
        assert {x.device.type for part in (dls.train, dls.valid) for x, _ in part} == {"meta"}

    def test_grey_pictures_are_shown_in_three_channels(self):
        x = torch.rand(20, 1, 6, 6)
        assert from_tensors(x=x, x_valid=x).pictures(x).shape == (20, 3, 6, 6)

    def test_rows_of_a_table_are_no_pictures(self):
        with pytest.raises(VicinalError, match=r"shape \(4, 4\) are no images"):
            from_tensors().show_batch()

    def test_pictures_are_shown_with_their_classes(self):
        x = torch.rand(20, 3, 6, 6)
        dls = from_tensors(x=x, x_valid=x, vocab=["ant", "bee", "cat"])
        figure = dls.show_batch(max_n=3)
        shown = {text.get_text() for axes in figure.axes for text in (axes.title, *axes.texts)}
        assert shown & set(dls.vocab)


def test_several_tensors_a_sample():
    x = {"numbers": torch.arange(20.0).view(10, 2), "codes": torch.arange(10).view(10, 1)}
    y = torch.arange(10) % 2
    dls = DataLoaders.from_tensors(x, y, x, y, bs=4, device="cpu")
    batches = list(dls.train)
    assert [len(labels) for _, labels in batches] == [4, 4]
    for batch, labels in [*batches, *dls.valid]:
        assert batch["numbers"].equal(2.0 * batch["codes"] + torch.tensor([0.0, 1.0]))
        assert labels.equal(batch["codes"][:, 0] % 2)
    short = {**x, "codes": x["codes"][:9]}
    with pytest.raises(VicinalError, match="the training part has 9 inputs, but 10 targets"):
        DataLoaders.from_tensors(short, y, x, y, bs=4)
    broken = {**x, "numbers": x["numbers"] / 0}
    with pytest.raises(VicinalError, match="the validation inputs hold NaN"):
        DataLoaders.from_tensors(x, y, broken, y, bs=4)
