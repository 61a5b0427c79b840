"""What there is in place of fastai's names that are not here."""

ABSENT = {
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
}
