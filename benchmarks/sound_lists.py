"""Lists of the sounds of some Debian packages, for ``vicinal train`` and ``vicinal compare``.

    apt-get download fillets-ng-data-cs fillets-ng-data-nl
    apt-get download asterisk-core-sounds-en-wav asterisk-core-sounds-es-wav
    for package in *.deb; do dpkg -x $package sounds; done
    python benchmarks/sound_lists.py sounds lists

It writes three tables, whose columns are the file, the class, and what is held out as a whole:

- ``language.csv``: the prompts of a telephone exchange in English and Spanish, by one and the same
  speaker, 8,000 Hz each; held out by ``prompt``, as most are said in both languages.
- ``fish.csv``: sentences of the two heroes of a game, the small fish and the big one, in Czech and
  Dutch; held out by ``level``, which is the same in both languages.
- ``fish_of_others.csv``: the same, with the Czech sentences for training and the Dutch ones, which
  other actors speak, for validation.
"""

import csv
import sys
from pathlib import Path

ROLES = {"m": "small", "v": "big"}
PARTS = {"cs": "train", "nl": "valid"}
SPEAKER = {"en_US_f_Allison": "English", "es_MX_f_Allison": "Spanish"}
PACKAGES = "fillets-ng-data-cs and -nl, asterisk-core-sounds-en-wav and -es-wav"


def languages(root: Path) -> list[dict[str, str]]:
    """One speaker's prompts in two languages; silence is in no language."""
    rows = []
    for folder, language in SPEAKER.items():
        for top in root.rglob(folder):
            for file in sorted(top.rglob("*.wav")):
                prompt = file.relative_to(top).with_suffix("").as_posix()
                if not prompt.startswith("silence/"):
                    rows.append({"file": str(file), "language": language, "prompt": prompt})
    return rows


def fish(root: Path) -> list[dict[str, str]]:
    """The sentences whose names say which fish speaks: LEVEL/LANGUAGE/SCENE-ROLE-TEXT.ogg."""
    rows = []
    for file in sorted(root.rglob("*.ogg")):
        level, language = file.parts[-3:-1]
        words = file.stem.split("-")
        role = ROLES.get(words[1]) if len(words) > 1 else None
        if role and language in PARTS:
            row = {"file": str(file), "role": role, "level": level, "language": language}
            rows.append(row)
    return rows


def of_others(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The same sentences, in parts by their language."""
    return [
        {"file": row["file"], "role": row["role"], "part": PARTS[row["language"]]} for row in rows
    ]


def main(root: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    sentences = fish(root)
    lists = {
        "language": languages(root),
        "fish": sentences,
        "fish_of_others": of_others(sentences),
    }
    for name, rows in lists.items():
        if not rows:
            sys.exit(f"{root} holds no sounds of the packages {PACKAGES}: unpack them there")
        with open(out / f"{name}.csv", "w", encoding="utf-8", newline="") as opened:
            writer = csv.DictWriter(opened, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        print(f"{out / name}.csv: {len(rows):,} sounds")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"{__doc__}\nname the folder of the unpacked packages, and that of the lists")
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
