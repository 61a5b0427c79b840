# ruff: noqa: E501
"""Lines as the book and its readers write them, and what each has to give.

A line is typed as into a notebook: the value of the last one is ``_``, which the check may read.
"""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Line:
    """What is typed, and what then has to be true.

    Args:
        typed: one or several lines.
        check: an expression over the names of the cell and ``_``.
    """

    typed: str
    check: str = "True"

    @property
    def name(self) -> str:
        return " ".join(self.typed.split())


def type_in(text: str, names: dict[str, Any]) -> Any:
    """Run a cell, and return the value of its last line if that is an expression."""
    body = ast.parse(text).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "<cell>", "exec"), names)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)


def run(line: Line, names: dict[str, Any]) -> None:
    """Type a line, and check what it gave."""
    names["_"] = type_in(line.typed, names)
    assert eval(line.check, names), (line.check, names["_"])


def lines(*given: Iterable[str] | str) -> list[Line]:
    return [Line(each) if isinstance(each, str) else Line(*each) for each in given]


# ---- names ---------------------------------------------------------------------------------

NAMES = lines(
    ("URLs.IMAGENETTE", "_.endswith('/imagenette2.tgz')"),
    ("untar_data(URLs.IMAGENETTE)", "_.name == 'imagenette2'"),
    ("path = untar_data(URLs.IMAGENETTE)\npath.ls()", "{p.name for p in _} >= {'train', 'val'}"),
    ("get_image_files(path)", "len(_) == 120"),
    ("get_image_files(path / 'val' / 'ant', recurse=False)", "len(_) == 6"),
    ("get_image_files(path, recurse=True, folders='val')", "len(_) == 24"),
    ("get_image_files(path, folders=['train'])", "len(_) == 96"),
    ("PILImage.create(files[0])", "_.size == (24, 24) and _.mode == 'RGB'"),
    ("PILImage.create(files[0]).resize((256, 256))", "_.size == (256, 256)"),
    ("tensor(PILImage.create(files[0])).float() / 255.", "_.shape == (24, 24, 3) and _.max() <= 1"),
    ("tensor([0.3, 0.7])", "_.dtype == torch.float32"),
    ("imagenet_stats", "len(_) == 2"),
    ("Normalize.from_stats(*imagenet_stats)", "isinstance(_, Normalize)"),
    ("LabelSmoothingCrossEntropy()", "callable(_)"),
    ("torch, nn, F, np, pd, plt, math, re, partial, Path", "len(_) == 10"),
)

# ---- transforms of items -------------------------------------------------------------------

ITEMS = lines(
    "item_tfms=[Resize(460)]",
    "item_tfms=Resize(460, method='squish')",
    "item_tfms=Resize(460, method=ResizeMethod.Squish)",
    "item_tfms=RandomResizedCrop(460, min_scale=0.35)",
    "item_tfms=Resize(32), batch_tfms=aug_transforms(size=24, min_scale=0.75)",
    "item_tfms=Resize(32), batch_tfms=[*aug_transforms(size=24), Normalize.from_stats(*imagenet_stats)]",
    "item_tfms=Resize(32), batch_tfms=Normalize.from_stats(*imagenet_stats)",
)

# ---- data blocks, splitters and readers ----------------------------------------------------

BLOCKS = lines(
    (
        "dblock = DataBlock((ImageBlock, CategoryBlock), get_items=get_image_files, get_y=parent_label, item_tfms=Resize(24))\n"
        "dls = dblock.dataloaders(path, bs=16)",
        "dls.vocab == ['ant', 'bee', 'cat', 'dog'] and len(dls.train_ds) == 96 and dls.bs == 16",
    ),
    (
        "dblock = DataBlock(blocks=(ImageBlock(), CategoryBlock()), get_items=get_image_files, get_y=parent_label, splitter=GrandparentSplitter(valid_name='val'), item_tfms=Resize(24))\n"
        "dls = dblock.dataloaders(path)",
        "len(dls.train_ds) == 96 and len(dls.valid_ds) == 24",
    ),
    ("dblock.summary(path)", "True"),
    ("dblock.dataloaders(path, bs=64)", "_.c == 4"),
    (
        "DataBlock((ImageBlock, CategoryBlock), get_items=get_image_files, get_y=parent_label, splitter=IndexSplitter(list(range(10))), item_tfms=Resize(24)).dataloaders(path)",
        "len(_.valid_ds) == 10",
    ),
    (
        "DataBlock((ImageBlock, CategoryBlock), get_items=get_image_files, get_y=parent_label, splitter=FuncSplitter(lambda o: o.parent.parent.name == 'val'), item_tfms=Resize(24)).dataloaders(path)",
        "len(_.valid_ds) == 24",
    ),
    (
        "DataBlock((ImageBlock, CategoryBlock), get_x=ColReader('name', pref=path), get_y=ColReader('label'), splitter=ColSplitter('is_valid'), item_tfms=Resize(24)).dataloaders(df)",
        "len(_.valid_ds) == 24",
    ),
    (
        "def get_x(r): return path/r['name']\n"
        "def get_y(r): return r['label']\n"
        "def splitter(df):\n"
        "    train = df.index[~df['is_valid']].tolist()\n"
        "    valid = df.index[df['is_valid']].tolist()\n"
        "    return train, valid\n"
        "DataBlock(blocks=(ImageBlock, CategoryBlock), splitter=splitter, get_x=get_x, get_y=get_y, item_tfms=Resize(24)).dataloaders(df)",
        "len(_.valid_ds) == 24",
    ),
    (
        "pets = DataBlock(blocks=(ImageBlock, CategoryBlock), get_items=get_image_files, splitter=RandomSplitter(seed=42), get_y=using_attr(RegexLabeller(r'(.+)_\\d+.jpg$'), 'name'), item_tfms=Resize(32), batch_tfms=aug_transforms(size=24, min_scale=0.75))\n"
        "dls = pets.dataloaders(path)",
        "dls.c == 4 and len(dls.valid_ds) == 24",
    ),
    ("dls.show_batch(nrows=1, ncols=3)", "True"),
    ("dls.show_batch(max_n=9, figsize=(7, 6))", "True"),
    ("x, y = dls.one_batch()\nx.mean(dim=[0, 2, 3]), x.std(dim=[0, 2, 3])", "len(_[0]) == 3"),
    ("dl = dls.test_dl(files)\nlen(dl.dataset)", "_ == 120"),
)

LOADERS = lines(
    "ImageDataLoaders.from_folder(path, train='train', valid='val', item_tfms=Resize(24))",
    "ImageDataLoaders.from_folder(path, valid_pct=0.2, seed=42, item_tfms=Resize(24))",
    "ImageDataLoaders.from_df(df, path, valid_col='is_valid', item_tfms=Resize(24))",
    "ImageDataLoaders.from_csv(path, 'labels.csv', item_tfms=Resize(24))",
    "ImageDataLoaders.from_lists(path, files, [f.parent.name for f in files], item_tfms=Resize(24))",
    "ImageDataLoaders.from_name_func(path, files, lambda name: name[:3], item_tfms=Resize(24))",
    "ImageDataLoaders.from_path_func(path, files, parent_label, item_tfms=Resize(24))",
    r"ImageDataLoaders.from_path_re(path, files, r'/(\w+)_\d+.jpg$', item_tfms=Resize(24))",
    r"ImageDataLoaders.from_name_re(path, files, r'(.+)_\d+.jpg$', item_tfms=Resize(32), batch_tfms=aug_transforms(size=24))",
    r"ImageDataLoaders.from_name_re(path, files, pat=r'(.+)_\d+.jpg$', bs=16, item_tfms=[Resize(32)], batch_tfms=[*aug_transforms(size=24), Normalize.from_stats(*imagenet_stats)])",
)

# ---- the Learner ---------------------------------------------------------------------------

LEARNER = lines(
    ("learn = Learner(dls, net(), wd=0.1, metrics=accuracy)\nlearn.wd", "_ == 0.1"),
    ("Learner(dls, net(), moms=(0.95, 0.85, 0.95), model_dir='weights')", "True"),
    ("Learner(dls, net(), loss_func=CrossEntropyLossFlat(), metrics=accuracy, cbs=Mixup)", "True"),
    ("Learner(dls, net(), cbs=MixUp).fit_one_cycle(1, 3e-3)", "True"),
    ("Learner(dls, net(), cbs=MixUp(0.2)).fit(1, 1e-3)", "True"),
    ("Learner(dls, net(), cbs=CutMix()).fit(1, 1e-3)", "True"),
    (
        "learn = Learner(dls, net(), loss_func=LabelSmoothingCrossEntropy(), metrics=accuracy)\nlearn.fit_one_cycle(1, 3e-3)",
        "True",
    ),
    (
        "vision_learner(dls, torchvision.models.resnet18, pretrained=False, metrics=error_rate)",
        "True",
    ),
    ("vision_learner(dls, resnet18, pretrained=False, metrics=[error_rate, accuracy])", "True"),
    ("cnn_learner(dls, resnet18, pretrained=False, metrics=accuracy).to_fp16()", "True"),
    ("learn.to_fp16()", "_ is learn"),
    ("learn.to_bf16()", "_ is learn"),
    ("learn.to_fp32()", "_ is learn"),
    ("learn.fine_tune(1, cbs=MixUp)", "True"),
    ("learn.fine_tune(1, base_lr=1e-3, freeze_epochs=1)", "True"),
    ("learn.freeze()\nlearn.unfreeze()", "True"),
    ("learn.freeze_to(-1)", "True"),
    ("learn.fit_one_cycle(1, lr_max=slice(1e-6, 1e-4))", "True"),
    ("learn.fit_flat_cos(1, 1e-3)", "True"),
    ("learn.add_cb(MixUp())\nlearn.remove_cb(MixUp)", "True"),
    ("learn.add_cbs([MixUp(), GradientClip()])\nlearn.remove_cbs([MixUp, GradientClip])", "True"),
    ("with learn.no_bar(): learn.fit(1)", "True"),
    ("with learn.no_bar(), learn.no_logging(): learn.fit(1)", "True"),
    ("loss, acc = learn.validate()", "isinstance(loss, float) and 0 <= acc <= 1"),
    ("learn.validate()[1]", "0 <= _ <= 1"),
    ("learn.fit(1, cbs=SaveModelCallback(monitor='valid_loss', fname='best'))", "True"),
    ("learn.fit(1, cbs=SaveModelCallback(monitor='accuracy'))", "True"),
    (
        "learn.fit(1, cbs=EarlyStoppingCallback(monitor='valid_loss', min_delta=0.1, patience=3))",
        "True",
    ),
    ("learn.fit(1, cbs=GradientAccumulation(n_acc=32))", "True"),
    ("learn.fit(1, cbs=GradientAccumulation(32))", "True"),
    ("learn.fit(1, cbs=GradientClip)", "True"),
    ("learn.fit(1, cbs=GradientClip(0.1))", "True"),
    ("learn.fit(1, cbs=CSVLogger())", "(Path(learn.path) / 'history.csv').exists()"),
    ("learn.fit(1, cbs=ReduceLROnPlateau(monitor='valid_loss', patience=1))", "True"),
    ("lrs = learn.lr_find()\nlrs.valley", "0 < float(_) < 10"),
    ("learn.lr_find(suggest_funcs=(minimum, steep, valley, slide))", "_.minimum and _.steep"),
    ("learn.tta()", "len(_) == 2"),
    ("preds, targs = learn.tta()\naccuracy(preds, targs).item()", "0 <= _ <= 1"),
    ("learn.summary()", "'Linear' in str(_)"),
    ("learn.dls = dls", "True"),
    ("learn.loss_func, learn.opt_func, learn.model, learn.path", "True"),
)

METRICS = lines(
    "F1Score(average='macro')",
    "Precision(average='macro')",
    "Recall(average='macro')",
    "RocAuc()",
    "[accuracy, error_rate, partial(top_k_accuracy, k=2)]",
    "[error_rate, F1Score(average='weighted')]",
)

# ---- after the training --------------------------------------------------------------------

AFTER = lines(
    ("learn.recorder.plot_loss()", "True"),
    ("learn.recorder.plot_sched()", "True"),
    ("learn.recorder.values", "len(_) == 1 and len(_[0]) == 3"),
    ("learn.recorder.losses", "len(_) == 6"),
    ("learn.recorder.lrs", "len(_) == 6"),
    ("learn.recorder.metric_names", "'accuracy' in ' '.join(_)"),
    ("learn.show_results(max_n=6, figsize=(7, 8))", "True"),
    ("learn.show_results()", "True"),
    ("interp = ClassificationInterpretation.from_learner(learn)", "True"),
    ("interp = Interpretation.from_learner(learn)", "True"),
    ("interp.plot_confusion_matrix(figsize=(12, 12), dpi=60)", "True"),
    ("interp.plot_confusion_matrix()", "True"),
    ("interp.plot_top_losses(9, nrows=3)", "True"),
    ("interp.plot_top_losses(9, figsize=(15, 11))", "True"),
    ("interp.most_confused(min_val=5)", "isinstance(_, list)"),
    ("interp.print_classification_report()", "True"),
    ("losses, idxs = interp.top_losses()", "len(losses) == len(idxs) == 24"),
    ("losses, idxs = interp.top_losses(3)", "len(losses) == 3"),
    ("learn.export()", "True"),
    (
        "learn = vision_learner(dls, resnet18, pretrained=False)\nlearn.export()\nload_learner(learn.path/'export.pkl').predict(files[0])",
        "_[0] in dls.vocab",
    ),
    ("learn.save('stage-1')\nlearn.load('stage-1')", "_ is learn"),
    ("learn.predict(files[0])", "_[0] in dls.vocab and int(_[1]) < 4 and len(_[2]) == 4"),
    ("learn.predict(PILImage.create(files[0]))", "_[0] in dls.vocab"),
    ("pred, pred_idx, probs = learn.predict(files[0])\nf'{probs[pred_idx]:.04f}'", "_"),
    ("preds, targs = learn.get_preds()", "preds.shape == (24, 4) and targs.shape == (24,)"),
    ("preds, targs = learn.get_preds(dl=dls.test_dl(files))", "preds.shape == (120, 4)"),
    ("learn.get_preds(dl=dls.test_dl(files), with_decoded=True)", "_[2].shape == (120,)"),
    ("learn.get_preds(dl=dls.valid, with_decoded=True, with_loss=True)", "len(_) == 4"),
    ("learn.get_preds(with_input=True)", "_[0].shape == (24, 3, 24, 24)"),
    ("learn.get_preds(ds_idx=0)", "_[0].shape == (96, 4)"),
    ("learn.dls.vocab", "_ == ['ant', 'bee', 'cat', 'dog']"),
)

# ---- other data ----------------------------------------------------------------------------

OTHERS = lines(
    (
        "DataBlock((ImageBlock, MultiCategoryBlock), get_x=ColReader('name', pref=path), get_y=ColReader('tags', label_delim=' '), item_tfms=Resize(24)).dataloaders(df, bs=16)",
        "_.c > 1 and _.one_batch()[1].is_floating_point()",
    ),
    (
        "dls = DataBlock((ImageBlock, MultiCategoryBlock), get_x=ColReader('name', pref=path), get_y=ColReader('tags', label_delim=' '), item_tfms=Resize(24)).dataloaders(df, bs=16)\n"
        "learn = vision_learner(dls, resnet18, pretrained=False, metrics=partial(accuracy_multi, thresh=0.2))\n"
        "learn.fit(1)\n"
        "learn.predict(files[0])",
        "True",
    ),
    (
        "dls = DataBlock((ImageBlock, RegressionBlock), get_x=ColReader('name', pref=path), get_y=ColReader('value'), item_tfms=Resize(24)).dataloaders(df, bs=16)\n"
        "learn = vision_learner(dls, resnet18, pretrained=False, y_range=(0, 4))\n"
        "learn.fit(1)\n"
        "learn.predict(files[0])",
        "True",
    ),
    (
        "dls = DataBlock((ImageBlock, MaskBlock(codes=['empty', 'thing'])), get_items=get_image_files, get_y=lambda o: masks/f'{o.stem}.png', item_tfms=Resize(32)).dataloaders(path, bs=8)\n"
        "learn = unet_learner(dls, resnet18, pretrained=False)\n"
        "learn.validate()",
        "True",
    ),
    (
        "SegmentationDataLoaders.from_label_func(path, fnames=files, label_func=lambda o: masks/f'{o.stem}.png', codes=['empty', 'thing'], item_tfms=Resize(32), bs=8)",
        "True",
    ),
    (
        "dls = TabularDataLoaders.from_df(table, y_names='label', cat_names=['colour'], cont_names=['width', 'height'], procs=[Categorify, FillMissing, Normalize], bs=16)\n"
        "learn = tabular_learner(dls, metrics=accuracy)\n"
        "learn.fit_one_cycle(1)\n"
        "learn.predict(table.iloc[0])",
        "True",
    ),
    (
        "dls = TextDataLoaders.from_df(texts, text_col='text', label_col='label', bs=16)\n"
        "learn = text_classifier_learner(dls, drop_mult=0.5, metrics=accuracy)\n"
        "learn.fit(1)\n"
        "learn.predict('a good day')",
        "True",
    ),
)

# ---- from the first line to the last -------------------------------------------------------

CHAPTER = r"""
path = untar_data(URLs.IMAGENETTE)
dblock = DataBlock(blocks=(ImageBlock(), CategoryBlock()),
                   get_items=get_image_files,
                   get_y=parent_label,
                   item_tfms=Resize(460),
                   batch_tfms=aug_transforms(size=224, min_scale=0.75))
dls = dblock.dataloaders(path, bs=64)
model = xresnet50(n_out=dls.c)
learn = Learner(dls, model, loss_func=CrossEntropyLossFlat(), metrics=accuracy)
learn.fit_one_cycle(5, 3e-3)
x,y = dls.one_batch()
x.mean(dim=[0,2,3]),x.std(dim=[0,2,3])
def get_dls(bs, size):
    dblock = DataBlock(blocks=(ImageBlock, CategoryBlock),
                   get_items=get_image_files,
                   get_y=parent_label,
                   item_tfms=Resize(460),
                   batch_tfms=[*aug_transforms(size=size, min_scale=0.75),
                               Normalize.from_stats(*imagenet_stats)])
    return dblock.dataloaders(path, bs=bs)
dls = get_dls(64, 224)
dls = get_dls(128, 128)
learn = Learner(dls, xresnet50(n_out=dls.c), loss_func=CrossEntropyLossFlat(), metrics=accuracy)
learn.fit_one_cycle(4, 3e-3)
learn.dls = get_dls(64, 224)
learn.fine_tune(5, 1e-3)
preds,targs = learn.tta()
accuracy(preds, targs).item()
church = PILImage.create(get_image_files(path/'train'/'ant')[0])
gas = PILImage.create(get_image_files(path/'train'/'bee')[0])
church = church.resize((256,256))
gas = gas.resize((256,256))
tchurch = tensor(church).float() / 255.
tgas = tensor(gas).float() / 255.
_,axs = plt.subplots(1, 3, figsize=(12,4))
show_image(tchurch, ax=axs[0]);
show_image(tgas, ax=axs[1]);
show_image((0.3*tchurch + 0.7*tgas), ax=axs[2]);
model = xresnet50(n_out=dls.c)
learn = Learner(dls, model, loss_func=CrossEntropyLossFlat(), metrics=accuracy, cbs=Mixup)
learn.fit_one_cycle(5, 3e-3)
model = xresnet50(n_out=dls.c)
learn = Learner(dls, model, loss_func=CrossEntropyLossFlat(), metrics=accuracy, cbs=MixUp)
learn.fit_one_cycle(5, 3e-3)
model = xresnet50(n_out=dls.c)
learn = Learner(dls, model, loss_func=LabelSmoothingCrossEntropy(), metrics=accuracy)
learn.fit_one_cycle(5, 3e-3)
"""

PETS = r"""
pat = r'([^/]+)_\d+.*$'
fnames = get_image_files(path)
item_tfms = [Resize(256, method='crop')]
batch_tfms = [*aug_transforms(size=224), Normalize.from_stats(*imagenet_stats)]
dls = ImageDataLoaders.from_name_re(path, fnames, pat, bs=64, item_tfms=item_tfms, batch_tfms=batch_tfms)
mixup = MixUp(1.)
learn = vision_learner(dls, resnet18, pretrained=False, loss_func=CrossEntropyLossFlat(), cbs=mixup, metrics=[accuracy, error_rate])
lrs = learn.lr_find()
learn.fit_one_cycle(1, lrs.valley)
learn.unfreeze()
learn.fit_one_cycle(1, slice(1e-5, 1e-3))
interp = ClassificationInterpretation.from_learner(learn)
interp.plot_confusion_matrix(figsize=(12,12), dpi=60)
interp.plot_top_losses(9, nrows=3)
interp.most_confused(min_val=5)
learn.export()
learn = load_learner(Path(learn.path)/'export.pkl')
learn.predict(fnames[0])
dl = dls.test_dl(fnames)
preds, _, decoded = learn.get_preds(dl=dl, with_decoded=True)
len(decoded)
"""

#: What makes a training of the book one of a test: other sizes and fewer epochs.
SMALLER = {
    "(460": "(40", "(256,": "(40,", "224": "32", "128, 128": "64, 24",
    "(5, ": "(1, ", "(4, ": "(1, ",
}  # fmt: skip


def shortened(text: str) -> str:
    for each, smaller in SMALLER.items():
        text = text.replace(each, smaller)
    return text


# ---- lines of the book's other chapters ----------------------------------------------------

BEARS = "bears = DataBlock(blocks=(ImageBlock, CategoryBlock), get_items=get_image_files, splitter=RandomSplitter(valid_pct=0.2, seed=42), get_y=parent_label, item_tfms=Resize(128))\n"

BOOK = lines(
    (
        "def is_cat(x): return 'yes' if x[0] == 'c' else 'no'\n"
        "dls = ImageDataLoaders.from_name_func(path, get_image_files(path), valid_pct=0.2, seed=42, label_func=is_cat, item_tfms=Resize(24))",
        "dls.vocab == ['no', 'yes'] and len(dls.valid_ds) == 24",
    ),
    (
        "def is_cat(x): return x[0] == 'c'\n"
        "dls = ImageDataLoaders.from_name_func(path, get_image_files(path), valid_pct=0.2, seed=42, label_func=is_cat, item_tfms=Resize(24))",
        "dls.c == 2",
    ),
    (BEARS + "dls = bears.dataloaders(path)\ndls.valid.show_batch(max_n=4, nrows=1)", "True"),
    (
        BEARS
        + "bears = bears.new(item_tfms=Resize(128, ResizeMethod.Squish))\nbears.dataloaders(path)",
        "_.c == 4",
    ),
    (
        BEARS
        + "bears = bears.new(item_tfms=Resize(128, ResizeMethod.Pad, pad_mode='zeros'))\nbears.dataloaders(path)",
        "_.c == 4",
    ),
    (
        BEARS
        + "bears = bears.new(item_tfms=RandomResizedCrop(24, min_scale=0.3))\ndls = bears.dataloaders(path)\ndls.train.show_batch(max_n=4, nrows=1, unique=True)",
        "True",
    ),
    (
        BEARS
        + "bears = bears.new(item_tfms=Resize(24), batch_tfms=aug_transforms(mult=2))\nbears.dataloaders(path)",
        "_.c == 4",
    ),
    ("verify_images(files)", "len(_) == 0"),
    ("failed = verify_images(files)\nfailed.map(Path.unlink)", "len(failed) == 0"),
    ("path.ls(file_exts='.csv')", "len(_) == 1"),
    ("first(dls.train)[0].shape", "len(_) == 4"),
    ("x, y = dls.one_batch()\npreds, _ = learn.get_preds(dl=[(x, y)])", "preds.shape == (16, 4)"),
    ("lr_min, lr_steep = learn.lr_find(suggest_funcs=(minimum, steep))", "lr_min > 0"),
    ("learn.fine_tune(1, base_lr=3e-3, freeze_epochs=2)", "True"),
    ("learn.fine_tune(1, 3e-3)", "True"),
    ("learn.metrics = partial(top_k_accuracy, k=2)\nlearn.validate()", "0 <= _[1] <= 1"),
    ("learn.model = learn.model.to('cpu')", "True"),
    ("learn.predict('{}'.format(files[0]))", "_[0] in dls.vocab"),
    ("learn.predict(files[0])[2].argmax().item()", "0 <= _ < 4"),
    ("CategoryBlock(vocab=['ant', 'bee', 'cat', 'dog'])", "True"),
    ("set_seed(42)", "True"),
)
