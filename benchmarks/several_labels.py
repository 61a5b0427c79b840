"""Write Adult's people as a table with several labels each, made of its own columns.

    python benchmarks/several_labels.py ../shared/data/adult adult_labels

There is no data set of several labels beside the repository. These are real: what is true of a
person, of which columns of the table are taken away, so that it has to be predicted from the others
(age, work, education, hours, country). Then

    vicinal compare adult_labels --label labels --train-size 2000 --seeds 5

is the comparison of docs/several_labels.md.
"""

import sys
from pathlib import Path

import pandas as pd


def labels(frame: pd.DataFrame) -> pd.Series:
    """What is true of each person, joined by vertical bars."""
    truth = pd.DataFrame(
        {
            "rich": frame["income"].str.startswith(">50K"),
            "married": frame["marital_status"].str.startswith("Married"),
            "woman": frame["sex"] == "Female",
            "child at home": frame["relationship"] == "Own-child",
            "investor": (frame["capital_gain"] > 0) | (frame["capital_loss"] > 0),
            "manager": frame["occupation"] == "Exec-managerial",
            "not white": frame["race"] != "White",
        }
    )
    return truth.apply(lambda row: "|".join(truth.columns[row]), axis=1)


def main(source: Path, target: Path) -> None:
    """Write both parts."""
    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(source.glob("*.csv")):
        frame = pd.read_csv(file, skipinitialspace=True)
        used = ["income", "marital_status", "sex", "relationship", "capital_gain", "capital_loss"]
        kept = frame.drop(columns=[*used, "occupation", "race"])
        kept.assign(labels=labels(frame)).to_csv(target / file.name, index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
