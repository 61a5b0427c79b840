"""What there is in place of fastai's names that are not here.

Most are no names here either, and ``vicinal.NAME`` says what to take. Those that are handed on as
they are, such as blocks and optimizers, are names that say so when they are called.
"""

from typing import Any, Never

from vicinal.errors import VicinalError

NAMES = {
    "L": "take a list, or import fastcore's by from fastcore.foundation import L",
    "optim_metric": "compute the metric of get_preds() at several thresholds, and take the best",
    "LossMetric": "a function of (outputs, targets) is a metric: metrics=[accuracy, part_of_loss]",
    "LossMetrics": "functions of (outputs, targets) are metrics: metrics=[accuracy, part_of_loss]",
    "CorpusBLEUMetric": "take torchmetrics.text.BLEUScore; texts are only classified here",
    "BrierScoreMulti": "BrierScore() scores the probabilities of one class for each sample",
    "MatthewsCorrCoefMulti": "MatthewsCorrCoef() is for one class for each sample",
    "ShowGraphCallback": "learn.recorder.plot_loss() draws the losses after a training",
    "ActivationStats": "record what you need by module.register_forward_hook(function)",
    "hook_output": "register your function by module.register_forward_hook(function)",
    "hook_outputs": "register your function by module.register_forward_hook(function)",
    "ConvLayer": "write nn.Sequential(nn.Conv2d(...), nn.BatchNorm2d(...), nn.ReLU())",
    "create_body": "nn.Sequential(*list(network.children())[:-2]) cuts torchvision's ResNets",
    "ImageClassifierCleaner": "interp.worst(9) names the samples with the largest losses",
    "Datasets": "DataLoaders.from_dsets(train, valid) takes data sets of torch's, or lists",
    "TfmdLists": "DataLoaders.from_dsets(train, valid) takes data sets of torch's, or lists",
    "TensorImage": "tensors are torch's here: show_image(dls.pictures(x)[0]) shows one of a batch",
    "Tokenizer": "texts are split by TextDataLoaders and TextBlock, or by a network of the hub",
    "Numericalize": "texts are numbered by TextDataLoaders and TextBlock",
    "SubwordTokenizer": 'take the tokenizer of a network: text_classifier_learner(dls, "hf:NAME")',
    "LMDataLoader": "there are no language models here",
    "save_pickle": "keep a frame by df.to_feather(file), and a network by learn.export()",
    "load_pickle": "a pickled file can run any code: load_learner reads what learn.export() wrote",
}

#: Of loaders.
OF_LOADERS = {
    "n": "len(dls.train.dataset) is the number of training samples",
    "new": "make the loaders again with another bs or other transforms, as by "
    "block.dataloaders(path, bs=4)",
    "after_item": "dls.item_size says how images are resized, as item_tfms= of a DataBlock does",
    "after_batch": "dls.train.transforms are the transforms of batches",
    "before_batch": "dls.train.transforms are the transforms of batches",
    "tfms": "dls.train.transforms are the transforms of batches",
    "decode_batch": "dls.show_batch(b=batch) shows a batch, and dls.pictures(x) gives its images",
    "cpu": "dls.to('cpu') moves batches there",
    "cuda": "dls.to('cuda') moves batches there",
    "train_dl": "dls.train is the loader",
    "valid_dl": "dls.valid is the loader",
}

#: Of a Learner.
OF_LEARNERS = {
    "create_opt": "each training makes its own optimizer, which is learn.opt then",
    "fit_sgdr": "write a schedule with restarts as a callback, and train by fit()",
    "pct_train": "learn.epoch, learn.n_epoch, learn.iter and learn.n_iter say how much is done",
    "train_iter": "learn.iter counts the batches of an epoch, and learn.epoch the epochs",
    "save_encoder": "learn.save('name') saves all weights",
    "load_encoder": "there are no language models here: text_classifier_learner(dls, 'hf:NAME') "
    "takes pretrained weights",
}

OPTIMIZERS = {
    "RAdam": "partial(torch.optim.RAdam, betas=(0.9, 0.99), decoupled_weight_decay=True)",
    "ranger": "partial(timm.optim.create_optimizer_v2, opt='lookahead_radam')",
    "Lookahead": "partial(timm.optim.create_optimizer_v2, opt='lookahead_adamw')",
    "Lamb": "timm.optim.Lamb",
    "Larc": "partial(timm.optim.Lars, momentum=0.9, trust_clip=True, always_adapt=True)",
    "QHAdam": "torch.optim.AdamW",
}

RECOMMEND = (
    "recommendations by factors are not here: give TabularDataLoaders.from_df(ratings, "
    "cat_names=['user', 'title'], cont_names=[], procs=[Categorify], y_names='rating', "
    "y_block=RegressionBlock()) and tabular_learner(dls, y_range=(0, 5.5)), the network of "
    "collab_learner(use_nn=True)"
)
BOXES = (
    "BBoxBlock is not here, as the loaders have no boxes: detect objects in a training loop of "
    "your own, with vicinal.DetectionMixUp"
)
#: What is said when one is called.
CALLED = {
    **{
        name: f"fastai's {name} is not here: give opt_func={instead}"
        for name, instead in OPTIMIZERS.items()
    },
    "CollabDataLoaders": RECOMMEND,
    "collab_learner": RECOMMEND,
    "language_model_learner": "there are no language models here: "
    "text_classifier_learner(dls, 'hf:NAME') takes the weights of one that is trained",
    "PointBlock": "PointBlock is not here, as points do not move with augmented images: take "
    "RegressionBlock, let get_y give the coordinates in a list, scaled to [-1, 1], and leave out "
    "transforms that move images",
    "BBoxBlock": BOXES,
    "BBoxLblBlock": BOXES,
}


def __getattr__(name: str) -> Any:
    if name not in CALLED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)

    def refuse(*args: Any, **kwargs: Any) -> Never:
        raise VicinalError(CALLED[name])

    doc = f"The name of fastai's; calling it is an error: {CALLED[name]}."
    made = {"__init__": refuse, "__doc__": doc, "__module__": __name__}
    methods = {method: staticmethod(refuse) for method in ("from_df", "from_csv")}
    value = globals()[name] = type(name, (), {**made, **methods})
    return value


def lacking(loaders: Any, name: str) -> AttributeError:
    """The error for an attribute that loaders lack.

    >>> lacking([], "cpu")
    AttributeError("list has no attribute 'cpu': dls.to('cpu') moves batches there")
    >>> lacking([], "colour")
    AttributeError("list has no attribute 'colour'")
    """
    hint = f": {OF_LOADERS[name]}" if name in OF_LOADERS else ""
    return AttributeError(f"{type(loaders).__name__} has no attribute {name!r}{hint}", name=name)
