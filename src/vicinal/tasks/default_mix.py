"""What a training mixes where nobody says: something only where that is known to gain."""

from dataclasses import replace

from vicinal.formatting import format_exact
from vicinal.methods import NONE
from vicinal.tasks.advice import Rule, Situation, rules_for, situation_of, trial_for
from vicinal.tasks.task import Default, Task

COMPARE = "vicinal compare measures it on your data"


def choose_mix(task: Task) -> None:
    """Choose ``--mix`` where neither it nor ``--alpha`` is given, with a reason."""
    if task.options.mix is not None or task.options.alpha is not None:
        return
    mix, why = default_mix(situation_of(task, label_noise=0.0))
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
        return NONE, _because(found["against"])
    if not found["for"] or not trial.mixes:
        return NONE, f"nothing is known that gains in such a training: {COMPARE}"
    strength = [format_exact(alpha) for alpha in trial.alphas[:1]]
    return ":".join([trial.mixes[0], *strength]), _because(found["for"])


def _because(rules: list[Rule]) -> str:
    rule = rules[0]
    return f"{rule.text}: {rule.measured or rule.source}"
