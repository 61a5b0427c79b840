"""Mixing in the Trainer of transformers."""

import copy
import json
import math
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
import torch.nn.functional as F
from by_hand import digits, half_mixed, scheduled
from torch import nn

transformers = pytest.importorskip("transformers")

from vicinal import CutMix, ManifoldMixUp, MixLoss, MixUp, Schedule  # noqa: E402
from vicinal.integrations.transformers import Mixing, MixTrainer  # noqa: E402

TREC = Path(__file__).parents[3] / "shared" / "data" / "trec"


def vision_model(**options):
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        image_size=8, patch_size=4, num_channels=1, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, num_labels=10, **options,
    )  # fmt: skip
    return transformers.ViTForImageClassification(config)


def text_model(kind="Bert", **options):
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=60, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=16, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, num_labels=6, **options,
    )  # fmt: skip
    return getattr(transformers, f"{kind}ForSequenceClassification")(config)


def images(count=128):
    x, y = digits(count)
    return [{"pixel_values": image, "labels": label} for image, label in zip(x, y, strict=True)]


def texts(count=96):
    generator = torch.Generator().manual_seed(0)
    made = []
    for _ in range(count):
        length, label = int(torch.randint(3, 12, (), generator=generator)), len(made) % 6
        ids = torch.randint(1, 60, (12,), generator=generator)
        ids[0], ids[length:] = 10 + label, 0
        mask = (torch.arange(12) < length).long()
        made.append({"input_ids": ids, "attention_mask": mask, "labels": torch.tensor(label)})
    return made


class InOrder:
    """Reads the samples in order, and records the losses of the steps."""

    def _get_train_sampler(self, *_):
        return torch.utils.data.SequentialSampler(self.train_dataset)

    def compute_loss(self, model, inputs, *args, **kwargs):
        result = super().compute_loss(model, inputs, *args, **kwargs)
        if model.training:
            self.losses = [*getattr(self, "losses", []), result.item()]
        return result


class Trainer(InOrder, MixTrainer):
    pass


def trainer(folder, model, mixer, data, kind=Trainer, **options):
    evaluation = options.pop("eval_dataset", None)
    others = {
        name: options.pop(name)
        for name in ("compute_metrics", "compute_loss_func")
        if name in options
    }
    options = {
        "num_train_epochs": 1, "per_device_train_batch_size": 32, "report_to": "none",
        "max_grad_norm": 0.0, "use_cpu": True, "disable_tqdm": True, "save_strategy": "no",
        "learning_rate": 0.1, "lr_scheduler_type": "constant", "logging_strategy": "no",
        "dataloader_pin_memory": False,
    } | options  # fmt: skip
    arguments = transformers.TrainingArguments(str(folder), **options)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    mixing = {} if mixer is None else {"mixer": mixer}
    return kind(
        model, arguments, train_dataset=data, eval_dataset=evaluation,
        optimizers=(optimizer, None), **mixing, **others,
    )  # fmt: skip


def by_hand(model, mixer, data, criterion=None, epochs=1, field="pixel_values", every=1):
    criterion = MixLoss(criterion or nn.CrossEntropyLoss())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    model.train()
    for _ in range(epochs):
        for start in range(0, len(data), 32):
            batch = transformers.default_data_collator(data[start : start + 32])
            target = batch.pop("labels")
            batch, target = mixer(batch, target)
            loss = criterion(model(**batch).logits, target) / every
            loss.backward()
            if (start // 32 + 1) % every == 0:
                optimizer.step()
                optimizer.zero_grad()
            losses.append(loss.item() * every)
    return losses


def assert_same(model, other):
    for (name, own), expected in zip(model.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("make", [MixUp, CutMix], ids=["mixup", "cutmix"])
def test_equals_the_loop_by_hand_step_by_step(make, tmp_path):
    model, other = vision_model(), vision_model()
    trained = trainer(tmp_path, model, make(seed=0), images(), num_train_epochs=5)
    trained.train()
    expected = by_hand(other, make(seed=0), images(), epochs=5)
    assert trained.losses == pytest.approx(expected, rel=1e-5)
    assert_same(model, other)
    assert np.mean(expected[-4:]) < np.mean(expected[:4])


def test_a_schedule_knows_the_length_of_the_training(tmp_path):
    model, other = vision_model(), vision_model()
    trained = trainer(tmp_path, model, half_mixed(), images(), num_train_epochs=2)
    trained.train()
    assert trained.losses == pytest.approx(
        by_hand(other, scheduled(8), images(), epochs=2), rel=1e-5
    )


def test_a_schedule_goes_on_from_a_checkpoint_without_mixing(tmp_path):
    options = {"num_train_epochs": 4, "save_strategy": "steps", "save_steps": 4}

    def words():
        model, half = text_model(pad_token_id=0), Schedule(MixUp(), until=0.5)
        return ManifoldMixUp(model, "*.embeddings", mixer=half, maximum="attention_mask", seed=0)

    first = words()
    trainer(tmp_path, first.model, first, texts(), **options).train()
    state = tmp_path / "checkpoint-4" / "trainer_state.json"
    content = json.loads(state.read_text())
    del content["stateful_callbacks"]["vicinal.mixer"]
    state.write_text(json.dumps(content))
    mixer, mixed = words(), []
    second = trainer(tmp_path, mixer.model, mixer, texts(), **options)
    mixer.model.register_forward_pre_hook(
        lambda _, args, kwargs: mixed.append(bool((kwargs["labels"].weight < 1).any())),
        with_kwargs=True,
    )
    second.train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    assert mixed == [True] * 2 + [False] * 6


@pytest.mark.parametrize("length", [{"num_train_epochs": 4}, {"max_steps": 7}], ids=str)
def test_the_last_step_of_an_epoch_may_be_short(length, tmp_path):
    model, mixer, mixed = vision_model(), half_mixed(), []
    # Five batches an epoch, in two steps.
    trained = trainer(tmp_path, model, mixer, images(160), gradient_accumulation_steps=4, **length)
    model.register_forward_pre_hook(
        lambda _, args, kwargs: mixed.append(bool((kwargs["labels"].weight < 1).any())),
        with_kwargs=True,
    )
    trained.train()
    half = math.ceil(len(mixed) / 2)
    assert len(mixed) == (20 if "num_train_epochs" in length else 19)
    assert mixed == [True] * half + [False] * (len(mixed) - half)


def test_labels_are_smoothed(tmp_path):
    model, other = vision_model(), vision_model()
    trained = trainer(tmp_path, model, MixUp(seed=0), images(), label_smoothing_factor=0.1)
    trained.train()
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    expected = by_hand(other, MixUp(seed=0), images(), criterion)
    assert trained.losses == pytest.approx(expected, rel=1e-4)
    assert_same(model, other)


def test_gradients_are_accumulated(tmp_path):
    model, other = vision_model(), vision_model()
    trained = trainer(tmp_path, model, MixUp(seed=0), images(), gradient_accumulation_steps=2)
    trained.train()
    by_hand(other, MixUp(seed=0), images(), every=2)
    assert_same(model, other)


def test_evaluation_is_not_mixed(tmp_path):
    seen = []

    def right(found):
        seen.append(found.label_ids)
        return {"accuracy": float((found.predictions.argmax(-1) == found.label_ids).mean())}

    mixer = MixUp(seed=0)
    trained = trainer(
        tmp_path, vision_model(), mixer, images(), eval_dataset=images(64), compute_metrics=right,
        eval_strategy="epoch", num_train_epochs=2,
    )  # fmt: skip
    trained.train()
    values = trained.evaluate()
    assert mixer.state_dict()["draws"] == 8
    assert all((labels == digits(64)[1].numpy()).all() for labels in seen)
    other = copy.deepcopy(trained.model).eval()
    with torch.no_grad():
        expected = F.cross_entropy(other(digits(64)[0]).logits, digits(64)[1])
    assert values["eval_loss"] == pytest.approx(expected.item(), rel=1e-4)
    assert trained.predict(images(32)).predictions.shape == (32, 10)


@pytest.mark.slow
def test_a_resumed_training_continues_with_the_same_draws(tmp_path):
    def words(mixer_seed, folder):
        # Not ViT, whose weights transformers 5.23 saves under names that a resumed run lacks.
        model = text_model(pad_token_id=0)
        mixer = ManifoldMixUp(model, "*.embeddings", maximum="attention_mask", seed=mixer_seed)
        return trainer(
            tmp_path / folder, model, mixer, texts(), num_train_epochs=2, save_strategy="steps",
            save_steps=2, seed=1, restore_callback_states_from_checkpoint=folder == "b",
        )  # fmt: skip

    whole, second = words(0, "a"), words(99, "b")
    whole.train()
    second.train(resume_from_checkpoint=str(tmp_path / "a/checkpoint-2"))
    assert second.losses == whole.losses[2:]
    assert_same(second.model, whole.model)
    assert whole.mix.mixer.state_dict() == second.mix.mixer.state_dict() == {"seed": 0, "draws": 6}
    whole.train()  # another training continues drawing
    assert whole.mix.mixer.state_dict()["draws"] == 12


@pytest.mark.parametrize("kind", ["Bert", pytest.param("Roberta", marks=pytest.mark.slow)])
def test_texts_are_mixed_in_their_embeddings(kind, tmp_path):
    options = {"pad_token_id": 0}
    model, other = text_model(kind, **options), text_model(kind, **options)

    def mixer(model):
        return ManifoldMixUp(
            model, "*.embeddings", mixer=MixUp(1.0), maximum="attention_mask", seed=0
        )

    trained = trainer(tmp_path, model, mixer(model), texts(), num_train_epochs=6)
    trained.train()
    expected = by_hand(other, mixer(other), texts(), epochs=6)
    assert trained.losses == pytest.approx(expected, rel=1e-5)
    assert np.mean(expected[-3:]) < np.mean(expected[:3])
    assert not model._forward_pre_hooks


@pytest.mark.slow
@pytest.mark.skipif(not TREC.is_dir(), reason="the folder ../shared/data is not there")
def test_questions_of_trec(tmp_path):
    frame = pandas.read_csv(TREC / "train.csv")[:320]
    words, data = {}, []
    for text, label in zip(frame["text"], frame["label"].astype("category").cat.codes, strict=True):
        ids = [1 + words.setdefault(word, len(words)) % 59 for word in text.lower().split()][:12]
        mask = torch.arange(12) < len(ids)
        ids = F.pad(torch.tensor(ids), (0, 12 - len(ids)))
        sample = {
            "input_ids": ids,
            "attention_mask": mask.long(),
            "labels": torch.tensor(int(label)),
        }
        data.append(sample)
    model = text_model(pad_token_id=0)
    mixer = ManifoldMixUp(model, "*.embeddings", maximum="attention_mask", seed=0)
    trained = trainer(tmp_path, model, mixer, data, num_train_epochs=8, eval_dataset=data)
    trained.train()
    assert np.mean(trained.losses[-10:]) < np.mean(trained.losses[:10])


@pytest.mark.slow
def test_several_labels_and_values(tmp_path):
    x, y = digits(64)
    many = F.one_hot(y, 10).float()
    data = [{"pixel_values": a, "labels": b} for a, b in zip(x, many, strict=True)]
    for problem, criterion in (
        ("multi_label_classification", nn.BCEWithLogitsLoss()),
        ("regression", nn.MSELoss()),
    ):
        model, other = (vision_model(problem_type=problem) for _ in range(2))
        trained = trainer(tmp_path, model, MixUp(seed=0), data)
        trained.train()
        assert trained.losses == pytest.approx(
            by_hand(other, MixUp(seed=0), data, criterion), rel=1e-5
        )


def test_a_custom_loss(tmp_path):
    def loss(outputs, labels, num_items_in_batch=None):
        return F.cross_entropy(outputs.logits, labels, label_smoothing=0.2)

    model, other = vision_model(), vision_model()
    trained = trainer(tmp_path, model, MixUp(seed=0), images(), compute_loss_func=loss)
    trained.train()
    criterion = nn.CrossEntropyLoss(label_smoothing=0.2)
    expected = by_hand(other, MixUp(seed=0), images(), criterion)
    assert trained.losses == pytest.approx(expected, rel=1e-5)


def test_a_custom_trainer(tmp_path):
    class Doubled(transformers.Trainer):
        def compute_loss(self, model, inputs, *args, **kwargs):
            return 2 * super().compute_loss(model, inputs, *args, **kwargs)

    class Mine(InOrder, Mixing, Doubled):
        pass

    model, other = vision_model(), vision_model()
    trained = trainer(tmp_path, model, MixUp(seed=0), images(32), Mine)
    trained.train()
    expected = by_hand(other, MixUp(seed=0), images(32))
    assert trained.losses == pytest.approx([2 * loss for loss in expected], rel=1e-5)


def test_a_loss_that_passes_mixing_by(tmp_path):
    class Mine(MixTrainer):
        def compute_loss(self, model, inputs, *args, **kwargs):
            return F.cross_entropy(model(inputs["pixel_values"]).logits, inputs["labels"])

    with pytest.raises(
        RuntimeError, match=r"nothing was mixed, as .* without calling Mixing's: inherit"
    ):
        trainer(tmp_path, vision_model(), MixUp(), images(32), Mine).train()


@pytest.mark.slow
def test_half_precision(tmp_path):
    trained = trainer(
        tmp_path, vision_model(), MixUp(seed=0), images(), bf16=True, num_train_epochs=8
    )
    trained.train()
    assert np.mean(trained.losses[-4:]) < np.mean(trained.losses[:4])


@pytest.mark.slow
def test_compiled(tmp_path):
    model, other = vision_model(), vision_model()
    compiled = {"torch_compile": True, "torch_compile_backend": "eager"}
    trained = trainer(tmp_path, model, MixUp(seed=0), images(64), **compiled)
    trained.train()
    assert trained.losses == pytest.approx(by_hand(other, MixUp(seed=0), images(64)), rel=1e-4)


def test_bad_input(tmp_path):
    with pytest.raises(TypeError, match=r"mixer such as MixUp\(\) is needed.*call it, MixUp\(\)"):
        trainer(tmp_path, vision_model(), MixUp, images())
    unlabelled = [{"pixel_values": sample["pixel_values"]} for sample in images()]
    with pytest.raises(
        ValueError, match="the batch holds pixel_values, but no labels, which mixing"
    ):
        trainer(tmp_path, vision_model(), MixUp(), unlabelled).train()
    with pytest.raises(TypeError, match=r"input_ids.*integer|integer.*input_ids"):
        trainer(tmp_path, text_model(), MixUp(), texts()).train()

    def hiding(outputs, labels, num_items_in_batch=None):
        return F.cross_entropy(outputs.logits, torch.tensor(labels.tolist()))

    with pytest.raises(RuntimeError, match="the model computed a loss, but not from the mixed"):
        trainer(tmp_path, vision_model(), MixUp(), images(), compute_loss_func=hiding).train()
