"""AcrossProcesses: each process gets its rows of what one process would make of all batches."""

import sys
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import distributed

from two_processes import launch
from vicinal import (
    AcrossProcesses,
    BatchMixer,
    Choice,
    CMixUp,
    CutMix,
    DetectionMixUp,
    ManifoldMixUp,
    MixUp,
    ResizeMix,
    Schedule,
    check_mixer,
)
from vicinal.mixing import across
from vicinal.mixing.probes import are_equal

SOURCE = Path(__file__).parents[2] / "src"


class Processes:
    """Processes whose all_gather finds what the others would send: each call runs twice."""

    def __init__(self, size):
        self.size, self.rank, self.sent, self.found = size, 0, [], None

    def all_gather(self, tensor):
        self.sent.append(tensor)
        if self.found is None:
            return [tensor] * self.size
        return [self.found[rank][len(self.sent) - 1] for rank in range(self.size)]

    def run(self, mixers, batches, **options):
        """What each of the mixers makes of its batch."""
        self.found, sent, results = None, [], []
        for number, results in ((0, []), (1, [])):
            for self.rank in range(self.size):
                self.sent = []
                mixer = mixers[self.rank]
                count = mixer.random.count
                where = mock.Mock(return_value=(self.rank, self.size))
                with (
                    mock.patch.object(across, "all_gather", self.all_gather),
                    mock.patch.object(across, "rank_and_world_size", where),
                    mock.patch("vicinal.rng.rank_and_world_size", where),
                ):
                    results.append(mixer(*batches[self.rank], **options))
                if number == 0:
                    sent.append(self.sent)
                    mixer.random.count = count
            self.found = sent
        return results


X, Y = torch.rand(12, 3, 8, 8), torch.arange(12) % 4
MIXERS = {
    "MixUp": lambda: MixUp(),
    "of one weight": lambda: MixUp(per="batch", p=0.7),
    "CutMix": lambda: CutMix(),
    "ResizeMix": lambda: ResizeMix(),
    "same class": lambda: MixUp(partners="same_class"),
    "far": lambda: CutMix(partners="far"),
    "pairs": lambda: MixUp(partners="pairs"),
    "Choice": lambda: Choice([MixUp(), CutMix()], [0.4, 0.4]),
    "CMixUp": lambda: CMixUp(0.1),
    "CMixUp from a pool": lambda: CMixUp(0.1, pool=(torch.ones(5, 3, 8, 8), torch.rand(5))),
    "Schedule": lambda: Schedule(MixUp(), until=0.5, steps=4),
}


@pytest.mark.parametrize("make", MIXERS.values(), ids=MIXERS)
@pytest.mark.parametrize("size", [2, 3])
def test_each_process_gets_its_rows_of_the_whole(make, size):
    generator = torch.Generator().manual_seed(0)
    inner = make()
    y = torch.rand(12, generator=generator) if isinstance(inner, CMixUp) else Y
    mixers = [AcrossProcesses(inner, seed=3) for _ in range(size)]
    alone = AcrossProcesses(inner, seed=3)
    each = 12 // size
    for _ in range(3):
        whole, target = alone(X, y)
        batches = [(X[i : i + each], y[i : i + each]) for i in range(0, 12, each)]
        found = Processes(size).run(mixers, batches)
        torch.testing.assert_close(torch.cat([x for x, _ in found]), whole)
        for part in ("own", "partner", "weight"):
            joined = torch.cat([getattr(t, part) for _, t in found])
            torch.testing.assert_close(joined, getattr(target, part))


def test_nested_batches_and_in_place():
    x = {"image": X, "length": torch.arange(12), "name": "same"}
    options = {"maximum": "length", "seed": 1}
    whole, _ = AcrossProcesses(MixUp(), **options)(x, Y)
    mixers = [AcrossProcesses(MixUp(), **options) for _ in range(2)]
    halves = [
        {"image": X[part].clone(), "length": torch.arange(12)[part].clone(), "name": "same"}
        for part in (slice(6), slice(6, 12))
    ]
    found = Processes(2).run(mixers, [(halves[0], Y[:6]), (halves[1], Y[6:])])
    for name in ("image", "length"):
        assert torch.equal(torch.cat([part[name] for part, _ in found]), whole[name])


def test_a_single_process_mixes_as_the_mixer_itself():
    assert are_equal(AcrossProcesses(CutMix(), seed=2)(X, Y), CutMix(seed=2)(X, Y))


def test_it_passes_the_checks_of_a_single_process():
    check_mixer(AcrossProcesses(CutMix(partners="near")), skip=["rank", "wrapped", "compiled"])


def test_partners_come_from_other_processes():
    mixers = [AcrossProcesses(MixUp(), seed=0) for _ in range(2)]
    found = Processes(2).run(mixers, [(X[:6], torch.arange(6)), (X[6:], torch.arange(6, 12))])
    assert (found[0][1].partner >= 6).any()


@pytest.mark.parametrize(
    ("batches", "seeds", "message"),
    [
        (
            [(X[:6], Y[:6]), (X[6:11], Y[6:11])],
            (0, 0),
            r"in their shapes, .* \(6, 3, 8, 8\)",
        ),
        ([(X[:6], Y[:6]), (X[6:, :2], Y[6:])], (0, 0), "let all have as many samples, of one size"),
        ([(X[:6], Y[:6]), (X[6:], Y[6:])], (0, 1), "the seed is 0 here, after 0 draws.: give"),
    ],
)
def test_processes_that_differ_are_named(batches, seeds, message):
    mixers = [AcrossProcesses(MixUp(), seed=seed) for seed in seeds]
    with pytest.raises(ValueError, match=message):
        Processes(2).run(mixers, batches)
    assert mixers[0].random.draws == 0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: AcrossProcesses(MixUp), TypeError, r"mixers such as MixUp\(\), not"),
        (lambda: AcrossProcesses(MixUp(half=True)), ValueError, "cannot mix half a batch"),
        (lambda: AcrossProcesses(DetectionMixUp()), ValueError, "mixes no tensors"),
        (lambda: Choice([AcrossProcesses(MixUp())]), ValueError, "give the Choice to Across"),
        (
            lambda: ManifoldMixUp(
                torch.nn.Sequential(torch.nn.Identity()), "0", mixer=AcrossProcesses(MixUp())
            ),
            ValueError,
            "give the ManifoldMixUp to AcrossProcesses",
        ),
        (
            lambda: AcrossProcesses(MixUp())(X, Y, other=(X, Y)),
            ValueError,
            "from the batches: give no second",
        ),
    ],
)
def test_mistakes(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_what_is_gathered_are_bytes_of_any_dtype(monkeypatch):
    monkeypatch.setattr(across, "rank_and_world_size", lambda: (0, 2))
    monkeypatch.setattr(
        distributed, "all_gather", lambda found, own: [part.copy_(own) for part in found]
    )
    for tensor in (
        torch.rand(3, 2).bfloat16(),
        torch.rand(3) > 0.5,
        torch.rand(2, 3, dtype=torch.complex64),
        torch.rand(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
        torch.rand(0, 3),
    ):
        first, second = across.all_gather(tensor)
        assert torch.equal(first, tensor)
        assert torch.equal(second, tensor)


@pytest.mark.slow
def test_two_processes_mix_as_one_would(tmp_path):
    script = tmp_path / "mix.py"
    paths = [str(SOURCE), str(Path(__file__).parent), str(Path(__file__).parents[1])]
    script.write_text(
        f"import sys\nsys.path[:0] = {paths!r}\n"
        "from test_across import two_processes\ntwo_processes()\n"
    )
    ended = launch(script, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("as one would") == 2


def two_processes():
    """What each process of that test runs."""
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(8, 3, 8, 8, generator=generator), torch.arange(8) % 3
    own = slice(4 * rank, 4 * rank + 4)
    for make in (MixUp, CutMix, lambda: MixUp(partners="same_class")):
        mix = BatchMixer(AcrossProcesses(make()))  # the seed is that of the first process
        torch.manual_seed(rank)
        mix.begin(3)
        state = mix.mixer.state_dict()
        alone = make()
        alone.load_state_dict(state)
        alone.random.__class__ = across._SameInAllProcesses
        for _ in range(3):
            mixed, target = mix((x[own], y[own]))
            whole, whole_target = alone(x, y)
            torch.testing.assert_close(mixed, whole[own])
            assert torch.equal(target.partner, whole_target.partner[own])
    print("as one would", file=sys.stdout, flush=True)
    distributed.destroy_process_group()
