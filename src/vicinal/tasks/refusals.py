"""What is wrong with the options of a training whatever the data are."""

from vicinal import recipes
from vicinal.data.folders import name_labeller
from vicinal.data.pixel_range import check_pixel_range
from vicinal.data.request import check_label_kind, check_label_sep
from vicinal.errors import VicinalError
from vicinal.kinds import KINDS
from vicinal.learner.precision import choose_precision
from vicinal.models.series import OWN as OF_SERIES
from vicinal.models.text import OWN
from vicinal.models.zoo import check_name
from vicinal.processes import default_device
from vicinal.tasks.options import TrainOptions


def check_options(options: TrainOptions) -> None:
    """Refuse what no data go with, before they are read, which may take long.

    Raises:
        VicinalError: there is no such network, recipe or precision, or a value is out of its range
            or of no meaning.
    """
    valid = options.valid
    if not 0 <= valid <= 1:  # also 0 and 1 are wrong where there is no validation part
        raise VicinalError(f"--valid must lie between 0 and 1, not {valid}")
    choose_precision(options.precision, default_device())
    if options.recipe is not None:
        recipes.load(options.recipe)
    if options.label_kind is not None:
        check_label_kind(options.label_kind)
    if options.label_sep is not None:
        check_label_sep(options.label_sep, options.label_kind)
    check_methods(options)
    if options.label_pattern is not None:
        name_labeller(options.label_pattern)
    if options.pixel_range is not None:
        check_pixel_range(options.pixel_range)
    if options.model is not None:
        kinds = KINDS.values()
        if not any(kind.task_type.takes_model(options.model) for kind in kinds):
            check_name(options.model, [*OWN, *OF_SERIES])


def check_methods(options: TrainOptions) -> None:
    """Refuse methods for one class or value where another option says that labels are several.

    Raises:
        VicinalError: a method is.
    """
    said = {
        "label-sep": options.label_sep,
        "label-kind": options.label_kind if options.label_kind == "labels" else None,
        "loss": options.loss,
    }
    reason = next((f"--{name} {value}" for name, value in said.items() if value is not None), None)
    for method in options.methods if reason else ():
        if method.targets is not None:
            raise VicinalError(
                f"--mix {method.name} is for {method.targets}, and {reason} for several labels of "
                "each sample: leave out one of them"
            )
