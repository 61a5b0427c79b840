"""What a training mixes where nobody says: something only where that is known to gain."""

from dataclasses import replace

from vicinal.formatting import format_exact
from vicinal.methods import NONE
from vicinal.models.zoo import has_stages
from vicinal.tasks.advice import (
    UNEVEN_CLASSES,
    Rule,
    Situation,
    rules_for,
    situation_of,
    trial_for,
)
from vicinal.tasks.task import Default, Task

COMPARE = "vicinal compare measures it on your data"
INSIDE = "manifoldmixup"


def choose_mix(task: Task) -> None:
    """Choose ``--mix`` where neither it nor ``--alpha`` is given, with a reason."""
    if task.options.mix is not None or task.options.alpha is not None:
        return
    mix, why = default_mix(situation_of(task, label_noise=0.0))
    if mix.startswith(INSIDE) and not has_stages(task.model):
        mix = mix.replace(INSIDE, "mixup")
        why = f"of the images, as the stages of {task.model} are not known; {why}"
    task.options = replace(task.options, mix=mix)
    task.reasons.append(("mix", f"{mix} ({why})"))


def default_mix(situation: Situation) -> Default:
    """What to mix in such a training, as ``--mix`` takes it, and why.

    >>> default_mix(Situation("images", 60_000, 10, 5, False, 0.0, parameters=10_000_000))[0]
    'none'
    """
    rules = rules_for(situation)
    found = {side: [rule for rule in rules if rule.side == side] for side in ("for", "against")}
    trial = trial_for(situation)
    if found["for"] and found["against"]:
        return NONE, f"there are arguments for mixing and against it: {COMPARE}"
    if found["against"]:
        return NONE, _because(found["against"][0])
    if not found["for"] or not trial.mixes:
        return NONE, f"no rule of vicinal advise is for mixing here: {COMPARE}"
    why = _because(found["for"][0])
    if situation.is_uneven:
        why = f"{why}; {_because(UNEVEN_CLASSES)}"
    strength = [format_exact(alpha) for alpha in trial.alphas[:1]]
    return ":".join([trial.mixes[0], *strength]), why


def _because(rule: Rule) -> str:
    return f"{rule.text}: {rule.measured or rule.source}"
