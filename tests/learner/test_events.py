"""Callbacks: the events, their order, and what cancelling does."""

import pytest
from torch import nn

from vicinal import Learner, MixUp
from vicinal.learner import events
from vicinal.learner.events import EVENTS, Callback


def recording(order=0, cancel=None, at=None, times=1):
    """A callback that records every event, and may cancel at one of them."""

    class Record(Callback):
        def __init__(self):
            self.heard, self.left = [], times

    def listener(event):
        def hear(self, learn):
            self.heard.append(event)
            if event == at and self.left:
                self.left -= 1
                raise cancel

        return hear

    for event in EVENTS:
        setattr(Record, event, listener(event))
    Record.order = order
    return Record()


def fit(dls, callback, epochs=1):
    Learner(dls, nn.Linear(2, 2), cbs=callback).fit(epochs)
    return callback.heard


BATCH = [
    "before_batch", "before_pred", "after_pred", "before_loss", "after_loss",
    "before_backward", "after_backward", "before_step", "after_step", "after_batch",
]  # fmt: skip
VALID_BATCH = [*BATCH[:5], "after_batch"]


def test_every_event_in_order(dls):
    heard = fit(dls, recording())
    assert heard == [
        "before_fit", "before_epoch",
        "before_train", *BATCH * len(dls.train), "after_train",
        "before_validate", *VALID_BATCH * len(dls.valid), "after_validate",
        "after_epoch", "after_fit",
    ]  # fmt: skip
    assert set(heard) == set(EVENTS)


def test_cancelling_the_training_ends_it_properly(dls):
    heard = fit(dls, recording(cancel=events.CancelFit(), at="after_loss"), epochs=3)
    assert heard[-2:] == ["after_loss", "after_fit"]


def test_cancelling_a_batch_continues_with_the_next(dls):
    heard = fit(dls, recording(cancel=events.CancelBatch(), at="before_pred"))
    assert heard[3:7] == ["before_batch", "before_pred", "after_batch", "before_batch"]
    assert heard.count("after_batch") == len(dls.train) + len(dls.valid)
    assert heard.count("after_loss") == len(dls.train) + len(dls.valid) - 1


def test_cancelling_the_training_part_still_validates(dls):
    heard = fit(dls, recording(cancel=events.CancelTrain(), at="after_batch"))
    assert heard[3:15] == [*BATCH, "after_train", "before_validate"]


def test_cancelling_an_epoch_continues_with_the_next(dls):
    heard = fit(dls, recording(cancel=events.CancelEpoch(), at="after_train"), epochs=2)
    assert heard.count("before_epoch") == heard.count("after_epoch") == 2
    assert heard.count("before_validate") == 1


@pytest.mark.parametrize(("event", "cancel"), [
    ("before_fit", events.CancelFit), ("before_epoch", events.CancelEpoch)
])  # fmt: skip
def test_cancelling_before_it_begins_records_nothing(dls, event, cancel):
    callback = recording(cancel=cancel(), at=event)
    learn = Learner(dls, nn.Linear(2, 2), cbs=callback)
    learn.fit(1)
    assert learn.history == []
    assert callback.heard[-1] == "after_fit"


def test_cancelling_validation(dls):
    heard = fit(dls, recording(cancel=events.CancelValidate(), at="before_validate"))
    assert heard[-3:] == ["after_validate", "after_epoch", "after_fit"]


def test_gradients_accumulate_if_the_step_is_cancelled(dls):
    class EverySecond(Callback):
        def __init__(self):
            self.batch, self.changes = 0, []

        def before_batch(self, learn):
            self.weight = learn.model.weight.detach().clone()

        def before_step(self, learn):
            self.batch += 1
            if self.batch % 2:
                raise events.CancelStep

        def after_batch(self, learn):
            if learn.training:
                self.changes.append(not self.weight.equal(learn.model.weight))

    callback = EverySecond()
    Learner(dls, nn.Linear(2, 2), cbs=callback).fit(1)
    assert callback.changes == [False, True] * 5


def test_cancelling_backward_leaves_the_gradients_to_the_callback(dls):
    class Own(Callback):
        def before_backward(self, learn):
            (learn.loss * 2).backward()
            raise events.CancelBackward

    learn = Learner(dls, nn.Linear(2, 2), cbs=Own)
    learn.fit(1)
    assert learn.history[0]["train_loss"] > 0


def test_lower_orders_come_first(dls):
    heard = []

    def named(name, at):
        kind = type(name, (Callback,), {"before_fit": lambda self, learn: heard.append(name)})
        kind.order = at
        return kind

    Learner(dls, nn.Linear(2, 2), cbs=[named("late", 5), named("early", -1), named("same", 5)]).fit(
        1
    )
    assert heard == ["early", "late", "same"]


def test_a_misspelt_event_is_refused_at_its_definition():
    with pytest.raises(TypeError, match=r"Wrong\.after_bacth would never be called"):
        type("Wrong", (Callback,), {"after_bacth": lambda self, learn: None})


def test_the_events_and_their_listeners_can_be_printed(dls):
    text = Learner(dls, nn.Linear(2, 2), cbs=MixUp(0.4, seed=1)).events()
    lines = dict(line.split(maxsplit=1) for line in text.splitlines())
    assert list(lines) == list(EVENTS)
    assert "MixBatches(MixUp(alpha=0.4" in lines["before_batch"]
    assert lines["before_pred"] == "-"
    assert lines["after_epoch"] == "Recorder, ProgressTable"


@pytest.mark.parametrize("ends_by", ["itself", "an error"])
def test_all_callbacks_receive_the_end_even_if_one_fails(dls, ends_by):
    heard = []

    class Fails(Callback):
        def after_epoch(self, learn):
            if ends_by == "an error":
                raise RuntimeError("in the training")

        def after_fit(self, learn):
            heard.append("fails")
            raise ValueError("at its end")

    class Closes(Callback):
        order = 1

        def after_fit(self, learn):
            heard.append("closes")

    with pytest.raises(ValueError, match="at its end") as caught:
        Learner(dls, nn.Linear(2, 2), cbs=[Closes(), Fails()]).fit(1)
    assert heard == ["fails", "closes"]
    if ends_by == "an error":
        assert "in the training" in str(caught.value.__context__)


def test_a_callback_in_fastais_manner_is_told_what_to_write():
    with pytest.raises(TypeError, match=r"takes no learner: write def after_batch\(self, learn\)"):

        class Old(Callback):
            def after_batch(self):
                pass


def test_other_functions_may_take_the_learner_in_their_own_way():
    class Any(Callback):
        def before_fit(self, *args):
            pass

        @staticmethod
        def after_fit(learn):
            pass

    assert Any().after_fit(None) is None
