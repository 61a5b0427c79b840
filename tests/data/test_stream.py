"""Images read from one shard after the other: which come when, to whom, and what is said."""

import math
from collections import Counter
from dataclasses import replace
from itertools import chain

import datasets
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file

from two_processes import launch
from vicinal import runs
from vicinal.data import sampler, stream
from vicinal.data import shards as shard_module
from vicinal.data.augment import BatchTransform
from vicinal.data.images import BadImage
from vicinal.data.shards import StreamedSplit
from vicinal.data.sources import load_split
from vicinal.data.stream import ShardReader, StreamedBatches, rebatch
from vicinal.data.stream import streamed_loaders as loaders_of
from vicinal.errors import VicinalError
from vicinal.tasks import TrainOptions, find_split, make_task

from .pictures import BROKEN, encoded

pytestmark = pytest.mark.usefixtures("offline", "blank_pictures")


def picture(number):
    """A plain image whose colour is its number."""
    return Image.new("RGB", (8, 8), (number % 256, number // 256, 0))


def table(numbers, broken=(), kind=None, label=lambda number: number % 2):
    images = [
        {"bytes": BROKEN if n in broken else encoded(picture(n)), "path": f"{n}.png"}
        for n in numbers
    ]
    made = datasets.Dataset.from_dict({"image": images, "label": [label(n) for n in numbers]})
    made = made.cast_column("image", datasets.Image())
    return made.cast_column("label", kind) if kind else made


CLASSES = datasets.ClassLabel(names=["cat", "pug"])


def write(folder, counts, part="train", start=0, **kwargs):
    """Shards with as many images as ``counts`` says, numbered from ``start`` on."""
    folder.mkdir(parents=True, exist_ok=True)
    kwargs.setdefault("kind", CLASSES)
    for index, count in enumerate(counts):
        file = folder / f"{part}-{index:05}.parquet"
        table(range(start, start + count), **kwargs).to_parquet(str(file))
        start += count
    return folder


@pytest.fixture
def shards(tmp_path):
    """60 training images in 4 shards, 22 for validation in 3."""
    write(tmp_path / "pets", [20, 10, 18, 12])
    return write(tmp_path / "pets", [9, 6, 7], "validation", start=60)


def streamed(folder, **kwargs):
    return load_split(str(folder), stream=True, **kwargs)


def in_order(shards):
    reader = ShardReader(shards, 8, 10)
    return flat(StreamedBatches(reader, 10, transforms=[Numbers()], device="cpu"))


class Numbers(BatchTransform):
    """Images back to the numbers that they show."""

    def train(self, x, generator):
        return self.valid(x)

    def valid(self, x):
        return x[:, 0, 0, 0].long() + 256 * x[:, 1, 0, 0].long()


def numbered(split, bs=4, workers=0, **kwargs):
    dls = loaders_of(split, item_size=8, bs=bs, workers=workers, device="cpu", **kwargs)
    dls.train.transforms = dls.valid.transforms = [Numbers()]
    return dls


def numbers(part):
    return [batch.tolist() for batch, _ in part]


def flat(part):
    return [number for batch in numbers(part) for number in batch]


@pytest.fixture
def in_processes(monkeypatch):
    """Look at the data as one of several processes sees them."""

    def be(rank, processes):
        for module in (sampler, shard_module):
            monkeypatch.setattr(module, "rank_and_world_size", lambda: (rank, processes))

    return be


class TestOrder:
    def test_an_epoch_has_every_sample_once_in_batches_of_one_size(self, shards):
        part = numbered(streamed(shards)).train
        for _ in range(3):
            batches = numbers(part)
            assert [len(batch) for batch in batches] == [4] * len(part) == [4] * 15
            assert sorted(chain(*batches)) == list(range(60))

    def test_a_last_batch_that_is_not_full_is_dropped_in_training_alone(self, shards):
        dls = numbered(streamed(shards), bs=7)
        assert [len(batch) for batch in numbers(dls.train)] == [7] * 8 == [7] * len(dls.train)
        assert [len(batch) for batch in numbers(dls.valid)] == [14, 8]
        assert len(dls.valid) == 2

    @pytest.mark.parametrize("workers", [0, 1, pytest.param(2, marks=pytest.mark.slow)])
    def test_seed_and_epoch_decide_the_order(self, shards, workers):
        split = streamed(shards)
        first, again, other = (
            numbered(split, seed=seed, workers=workers).train for seed in (5, 5, 6)
        )
        epochs = [flat(first) for _ in range(3)]
        assert epochs[:2] == [flat(again) for _ in range(2)]
        assert epochs[0] != flat(other)
        assert len({tuple(epoch) for epoch in epochs}) == 3
        again.sampler.epoch = 1  # as a checkpoint does
        assert [flat(again) for _ in range(2)] == epochs[1:]

    @pytest.mark.parametrize("workers", [0, 2])
    def test_who_stops_in_the_middle_goes_on_to_the_next_epoch(self, shards, workers):
        whole = numbered(streamed(shards), workers=workers).train
        expected = [flat(whole) for _ in range(2)]
        part = numbered(streamed(shards), workers=workers).train
        next(iter(part))
        assert flat(part) == expected[1]

    def test_labels_belong_to_their_images(self, shards):
        dls = numbered(streamed(shards), workers=2)
        for part in (dls.train, dls.valid):
            for batch, labels in part:
                assert torch.equal(batch % 2, labels)

    def test_only_what_is_in_the_buffer_is_shuffled(self, tmp_path, monkeypatch):
        """It bounds memory: no row comes before the buffer has reached it."""
        monkeypatch.setattr(stream, "BUFFER", 10)
        write(tmp_path, [200])
        write(tmp_path, [4], "test", start=200)
        epoch = flat(numbered(streamed(tmp_path), bs=10).train)
        assert all(number < place + 10 for place, number in enumerate(epoch))
        assert epoch != sorted(epoch) == list(range(200))

    @pytest.mark.slow
    def test_looking_at_a_batch_changes_nothing_of_the_training(self, shards):
        split = streamed(shards)
        expected = numbers(numbered(split, workers=2).train)
        part = numbered(split, workers=2).train
        assert part.first()[0].shape == (4,)
        given = []
        for index, (batch, _) in enumerate(part):
            if index in (0, 7):
                assert part.first()[0].shape == (4,)
            given.append(batch.tolist())
        assert given == expected

    def test_an_epoch_neither_reads_nor_moves_the_global_generator(self, shards):
        split = streamed(shards)
        results = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            before = torch.get_rng_state()
            results.append(flat(numbered(split, workers=2).train))
            assert torch.equal(torch.get_rng_state(), before)
        assert results[0] == results[1]

    @given(
        lengths=st.lists(st.integers(0, 9), min_size=1, max_size=8),
        size=st.integers(1, 7),
    )
    def test_pieces_become_batches_of_one_size(self, lengths, size):
        whole = torch.arange(sum(lengths))
        pieces = [(piece[:, None], piece) for piece in whole.split(lengths)]
        batches = list(rebatch(pieces, size))
        assert [len(y) for _, y in batches[:-1]] == [size] * (len(batches) - 1)
        assert torch.equal(torch.cat([y for _, y in batches]), whole)
        assert all(torch.equal(x[:, 0], y) for x, y in batches)


class TestSeveralProcesses:
    @pytest.mark.parametrize("processes", [2, pytest.param(3, marks=pytest.mark.slow)])
    @pytest.mark.parametrize("workers", [0, 2])
    def test_all_have_equally_many_batches(self, shards, in_processes, processes, workers):
        split = streamed(shards)
        epochs = []
        for rank in range(processes):
            in_processes(rank, processes)
            part = numbered(split, workers=workers).train
            epochs.append(numbers(part))
            assert len(part) == len(epochs[-1]) == 60 // (4 * processes)
        seen = Counter(number for epoch in epochs for batch in epoch for number in batch)
        assert len(seen) > 45

    @pytest.mark.parametrize("processes", [2, 3, pytest.param(5, marks=pytest.mark.slow)])
    @pytest.mark.parametrize("workers", [0, 2])
    @pytest.mark.parametrize("held_out", [False, True])
    def test_every_validation_sample_comes_once(
        self, shards, in_processes, processes, workers, held_out
    ):
        if held_out:
            for file in shards.glob("validation*"):
                file.unlink()
        split = streamed(shards)
        whole = sorted(flat(numbered(split).valid))
        seen = []
        for rank in range(processes):
            in_processes(rank, processes)
            seen += flat(numbered(split, workers=workers).valid)
        assert sorted(seen) == whole
        assert held_out or whole == list(range(60, 82))

    def test_shares_of_a_whole_number_of_shards_are_disjoint(self, tmp_path, in_processes):
        write(tmp_path, [12] * 4)
        write(tmp_path, [4], "test", start=48)
        split = streamed(tmp_path)
        epochs = []
        for rank in range(2):
            in_processes(rank, 2)
            epochs.append(flat(numbered(split, bs=6).train))
        assert sorted(chain(*epochs)) == list(range(48))

    @pytest.mark.slow
    def test_two_that_train_one_network(self, shards, tmp_path):
        (tmp_path / "script.py").write_text(TRAINS.format(folder=shards))
        done = launch("script.py", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        own, others = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
        assert own["steps"] == others["steps"] == 3 * (60 // 8)
        assert own["targets"] == others["targets"] == 22
        assert own["weights"].equal(others["weights"])


TRAINS = """
import torch
from vicinal import Learner
from vicinal.data.sources import load_split
from vicinal.data.stream import streamed_loaders
from vicinal.learner.events import Callback
from vicinal.processes import this_process

class Steps(Callback):
    count = 0
    def after_step(self, learn):
        self.count += 1

process = this_process()
split = load_split("{folder}", stream=True)
dls = streamed_loaders(split, item_size=8, bs=4, workers=1, device="cpu")
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
steps = Steps()
learn = Learner(dls, model, cbs=steps)
learn.fit_one_cycle(3, 0.01)
targets = len(learn.get_preds()[1])
left = dict(steps=steps.count, targets=targets, weights=model[1].weight.detach())
torch.save(left, f"{{process.process_index}}.pt")
"""


class TestParts:
    def test_are_found_by_the_names_of_the_shards(self, shards):
        split = streamed(shards)
        assert isinstance(split, StreamedSplit)
        assert (len(split.train), len(split.valid)) == (60, 22)
        assert split.vocab == ["cat", "pug"]
        assert split.notes == ["labels: column label", "validation: the data's part validation"]

    @pytest.mark.slow
    @pytest.mark.parametrize("share", [0.2, pytest.param(0.5, marks=pytest.mark.slow)])
    def test_a_share_is_held_out_where_there_is_none(self, tmp_path, share):
        write(tmp_path, [150, 100, 50])
        split = streamed(tmp_path, valid_pct=share)
        train, valid = (sorted(in_order(part)) for part in (split.train, split.valid))
        assert sorted(train + valid) == list(range(300))
        # Further off by chance once in 100,000 seeds.
        assert abs(len(valid) - share * 300) < 4.5 * math.sqrt(300 * share * (1 - share))
        assert len(split.valid) == share * 300
        assert f"about {share * 300:.0f} images held out by a hash" in split.notes[1]
        dls = numbered(split, workers=2)
        for _ in range(2):
            assert sorted(flat(dls.valid)) == valid
            assert not set(flat(dls.train)) & set(valid)
        other = streamed(tmp_path, valid_pct=share, seed=1)
        assert sorted(in_order(other.valid)) != valid

    def test_an_epoch_is_as_long_as_its_length_says(self, tmp_path):
        """Who holds out a few more than expected begins again."""
        write(tmp_path, [60, 40])
        for seed in range(4):
            part = numbered(streamed(tmp_path, seed=seed), bs=8).train
            assert [len(batch) for batch in numbers(part)] == [8] * (80 // 8)

    @pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5])
    def test_a_share_that_is_none(self, tmp_path, share):
        with pytest.raises(VicinalError, match=f"must lie between 0 and 1, not {share}"):
            streamed(write(tmp_path, [20]), valid_pct=share)


class TestClasses:
    @pytest.mark.parametrize(
        ("label", "vocab"),
        [
            (lambda n: ["cat", "ant", "pug"][n % 3], ["ant", "cat", "pug"]),
            (lambda n: [9, 10, 4][n % 3], ["4", "9", "10"]),
        ],
        ids=["names", "numbers"],
    )
    def test_are_read_off_the_label_column_where_it_does_not_name_them(
        self, tmp_path, label, vocab
    ):
        write(tmp_path, [8, 9], label=label, kind=None)
        write(tmp_path, [5], "test", start=17, label=label, kind=None)
        split = streamed(tmp_path)
        assert split.vocab == vocab
        assert (len(split.train), len(split.valid)) == (17, 5)
        for batch, labels in numbered(split).train:
            assert [vocab[i] for i in labels] == [str(label(n)) for n in batch.tolist()]

    def test_missing_labels_are_counted(self, tmp_path):
        write(tmp_path, [10], label=lambda n: None if n > 7 else "ab"[n % 2], kind=None)
        with pytest.raises(VicinalError, match=r"^2 of 10 labels in column label are missing: "):
            streamed(tmp_path)

    def test_a_named_class_that_is_missing_is_reported_when_it_comes(self, tmp_path):
        write(tmp_path, [10], label=lambda n: -1 if n == 7 else n % 2)
        write(tmp_path, [4], "test")
        dls = numbered(streamed(tmp_path))
        with pytest.raises(
            VicinalError, match=r"label -1 of 7\.png is not a known class: correct it or"
        ):
            list(dls.train)

    def test_values_are_no_classes(self, tmp_path):
        write(tmp_path, [10], label=lambda n: n / 2, kind=None)
        with pytest.raises(VicinalError, match="column label holds float values, not classes"):
            streamed(tmp_path)

    def test_one_class(self, tmp_path):
        write(tmp_path, [10], label=lambda n: "pug", kind=None)
        with pytest.raises(VicinalError, match="only the class 'pug'"):
            streamed(tmp_path)


class TestBadImages:
    @pytest.mark.parametrize("workers", [0, 2])
    @pytest.mark.parametrize("name", ["train", "valid"])
    def test_are_named_in_one_sentence(self, tmp_path, workers, name):
        write(tmp_path, [9, 9], broken=[4])
        write(tmp_path, [9], "test", start=18, broken=[22])
        dls = numbered(streamed(tmp_path), workers=workers)
        bad = {"train": 4, "valid": 22}[name]
        sentence = rf"^1 of \d images cannot be read: {bad}\.png \([^\n]+\); repair or [^\n]+\Z"
        with pytest.raises(BadImage, match=sentence):
            list(getattr(dls, name))

    @pytest.mark.parametrize("workers", [0, 2])
    def test_are_left_out_where_asked(self, tmp_path, workers):
        write(tmp_path, [20, 20], broken=range(0, 40, 5))
        write(tmp_path, [9], "test", start=40, broken=[42])
        dls = numbered(streamed(tmp_path), workers=workers, skip_bad=True)
        epoch = numbers(dls.train)
        assert [len(batch) for batch in epoch] == [4] * 10
        assert set(chain(*epoch)) == {n for n in range(40) if n % 5}
        assert sorted(flat(dls.valid)) == [40, 41, *range(43, 49)]

    @pytest.mark.parametrize("name", ["train", "valid"])
    def test_nothing_but_bad_images(self, tmp_path, name):
        write(tmp_path, [10], broken=range(10))
        write(tmp_path, [9], "test", start=40, broken=range(50))
        dls = numbered(streamed(tmp_path), skip_bad=True)
        with pytest.raises(VicinalError, match=r"none of the \d+ samples can be read"):
            list(getattr(dls, name))

    @pytest.mark.parametrize("workers", [0, 2])
    def test_a_shard_that_is_damaged_inside(self, tmp_path, workers):
        write(tmp_path, [500, 500])
        file = tmp_path / "train-00001.parquet"
        content = bytearray(file.read_bytes())
        content[100:-5000] = bytes(len(content) - 5100)
        file.write_bytes(content)
        dls = numbered(streamed(tmp_path), workers=workers)
        with pytest.raises(
            VicinalError, match=r"cannot be read to its end \([^\n]*\): download it"
        ):
            list(dls.train)

    def test_a_file_that_is_no_parquet(self, tmp_path):
        write(tmp_path, [10])
        (tmp_path / "train-00001.parquet").write_bytes(BROKEN * 10)
        with pytest.raises(VicinalError, match=r"train-00001\.parquet cannot be read \("):
            streamed(tmp_path)

    def test_a_sample_of_choice_cannot_be_had(self, shards):
        with pytest.raises(VicinalError, match="cannot be picked out of the others"):
            numbered(streamed(shards)).valid.dataset.__getitems__([3])


@pytest.fixture
def hub(shards):
    """A hub's repository that says of what it is."""
    (shards / "README.md").write_text(
        "---\ndataset_info:\n"
        "  features:\n  - name: image\n    dtype: image\n"
        "  - name: label\n    dtype:\n      class_label:\n        names:\n"
        "          '0': cat\n          '1': pug\n"
        "  splits:\n  - name: train\n    num_examples: 60\n    num_bytes: 1\n"
        "  - name: validation\n    num_examples: 22\n    num_bytes: 1\n"
        "  download_size: 4000000\n  dataset_size: 5000000\n"
        "---\n"
    )
    return shards


def free(monkeypatch, size):
    usage = type("Usage", (), {"free": size})
    monkeypatch.setattr(shard_module.shutil, "disk_usage", lambda folder: usage)


class TestHub:
    def test_the_number_of_images_is_what_the_hub_says(self, hub, tmp_path):
        split = load_split(f"hf:{hub}", stream=True)
        assert (len(split.train), len(split.valid)) == (60, 22)
        assert sorted(flat(numbered(split).train)) == list(range(60))
        assert not list(tmp_path.glob("cache/**/*.arrow"))

    def test_what_a_hub_does_not_say_is_read_off_the_label_column(self, shards):
        split = load_split(f"hf:{shards}", stream=True)
        assert (len(split.train), len(split.valid)) == (60, 22)
        assert split.vocab == ["cat", "pug"]

    def test_files_of_which_no_column_can_be_read_alone(self, tmp_path):
        for name in ("cat", "pug"):
            (tmp_path / "pets" / name).mkdir(parents=True)
            for number in range(5):
                picture(number).save(tmp_path / "pets" / name / f"{number}.png")
        with pytest.raises(VicinalError, match="has no metadata on the number of images"):
            load_split(f"hf:{tmp_path / 'pets'}", stream=True)

    def test_what_is_larger_than_the_free_disk_is_streamed_unasked(self, hub, monkeypatch):
        free(monkeypatch, 8_999_999)
        split = load_split(f"hf:{hub}")
        assert isinstance(split, StreamedSplit)
        said = "stream: 9.0 MB are more than the 9.0 MB free on the disk"
        assert split.notes[-1] == said
        free(monkeypatch, 9_000_000)
        assert not isinstance(load_split(f"hf:{hub}"), StreamedSplit)
        free(monkeypatch, 0)  # it is on the disk by now
        assert not isinstance(load_split(f"hf:{hub}"), StreamedSplit)

    def test_a_name_that_cannot_be_reached(self):
        with pytest.raises(VicinalError, match=r"^hf:nobody/has-this cannot be loaded"):
            load_split("hf:nobody/has-this", stream=True)


def silent(name, text):
    pass


def stopped(monkeypatch, options, folder):
    """A run that was stopped in its second epoch."""

    def stop(run, learn):
        if learn.epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs.Run, "before_train", stop, raising=False)
        with pytest.raises(KeyboardInterrupt):
            runs.train(options, folder, log=silent)


class TestRuns:
    @staticmethod
    def options(folder):
        return TrainOptions(str(folder), stream=True, epochs=3, batch_size=8, seed=3)

    @pytest.mark.slow
    def test_what_is_chosen_is_logged(self, shards, tmp_path):
        lines = {}
        runs.train(self.options(shards), tmp_path / "run", log=lines.__setitem__)
        readers = min(4, shard_module.processors())
        assert lines["images"] == (
            f"streamed from 4 shards through {readers} process{'es' if readers > 1 else ''}, "
            "shuffled in a buffer of 10,000"
        )
        assert lines["data"] == "60 training and 22 validation images of 2 classes (cat, pug)"
        assert lines["size"] == "8 (as the images are)"

    @pytest.mark.slow
    def test_that_is_killed_goes_on_as_if_it_had_not_been(self, shards, tmp_path, monkeypatch):
        runs.train(self.options(shards), tmp_path / "whole", log=silent)

        stopped(monkeypatch, self.options(shards), tmp_path / "killed")
        again = TrainOptions(str(shards))  # its own options fill in the rest
        runs.train(again, tmp_path / "killed", resume=True, log=silent)
        whole, killed = (
            load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed")
        )
        assert all(torch.equal(whole[name], killed[name]) for name in whole)

    @pytest.mark.slow
    def test_other_shards_are_not_gone_on_with(self, shards, tmp_path, monkeypatch):
        stopped(monkeypatch, self.options(shards), tmp_path / "run")
        write(shards, [10], "train-more", start=100)
        with pytest.raises(VicinalError, match="the data are not what they were"):
            runs.train(self.options(shards), tmp_path / "run", resume=True, log=silent)

    def test_a_rate_is_found_and_leaves_no_trace(self, shards):
        from vicinal import Learner

        dls = loaders_of(streamed(shards), item_size=8, bs=4, workers=0, device="cpu")
        model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
        learn = Learner(dls, model)
        learn.lr_find(num_it=40)
        assert dls.train.sampler.epoch == 0

    def test_samples_cannot_be_picked_or_relabelled(self, shards):
        split = streamed(shards)
        rows = torch.arange(4)
        for change in (lambda: split.subset(rows), lambda: split.relabelled(rows)):
            with pytest.raises(VicinalError, match="cannot be picked: leave out --train-size"):
                change()
        with pytest.raises(VicinalError, match="leave out --train-size and --label-noise"):
            split.targets  # noqa: B018
        assert len(split.examples(5, seed=0)) == 5

    def test_methods_that_need_the_labels_are_refused(self, shards):
        options = replace(self.options(shards), mix="remix")
        with pytest.raises(VicinalError, match="--mix remix counts the classes, which are not"):
            make_task(options, find_split(options)).batch_mixer()

    @pytest.mark.parametrize("data", ["digits", "torchvision:CIFAR10"])
    def test_what_has_no_shards_is_not_streamed(self, data):
        with pytest.raises(VicinalError, match=f"^{data} has no Parquet shards, so --stream"):
            load_split(data, stream=True)

    def test_a_folder_of_images_is_not_streamed(self, tmp_path):
        picture(1).save(tmp_path / "a_1.png")
        with pytest.raises(VicinalError, match="has no Parquet shards, so --stream does not"):
            load_split(str(tmp_path), stream=True)

    def test_a_picture_of_mixing(self, hub, tmp_path, monkeypatch):
        free(monkeypatch, 0)
        runs.show(TrainOptions(f"hf:{hub}"), tmp_path / "mixed.png")
        assert (tmp_path / "mixed.png").exists()
