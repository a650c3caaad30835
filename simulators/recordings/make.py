"""Makes `ward.csv` from the MIMIC-IV Clinical Database Demo in CLIF form.

    python -m simulators.recordings.make FOLDER     the folder with 27411876.csv and the others

Kept are the columns that our devices measure, rows that have one of them, and values that a device can say. What is dropped, by rule:
temperatures charted as Celsius that are Fahrenheit (over 45), rates and pressures of 0 or outside a device's range.
"""

import csv
import sys
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

STAYS: Final = ("27411876", "21027282", "28258130", "20214994", "29974575", "23403708")
COLUMNS: Final = {  # ours: theirs, lowest, highest
    "systolic": ("nibp_sys", 30, 300),
    "diastolic": ("nibp_dia", 20, 250),
    "mean": ("nibp_mean", 20, 280),
    "heart_rate": ("heart_rate", 20, 250),
    "spo2": ("spo2", 50, 100),
    "temperature": ("temp_c", 30, 45),
}


def rows(folder: Path, stay: str) -> Iterator[dict[str, str]]:
    """The rows of one stay that have something to say."""
    with (folder / f"{stay}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            values = {name: _kept(row[theirs], low, high) for name, (theirs, low, high) in COLUMNS.items()}
            if not (values["systolic"] and values["diastolic"]):
                values |= dict.fromkeys(("systolic", "diastolic", "mean"), "")
            if any(values.values()):
                yield {"stay": stay, "position_seconds": row["t_s"], **values}


def main(folder: Path) -> None:
    target = Path(__file__).with_name("ward.csv")
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["stay", "position_seconds", *COLUMNS], lineterminator="\n")
        writer.writeheader()
        for stay in STAYS:
            writer.writerows(rows(folder, stay))


def _kept(text: str, low: int, high: int) -> str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return ""
    if not low <= number <= high:
        return ""
    rounded = number.quantize(Decimal("0.1")) if high == 45 else number.quantize(Decimal(1))
    return str(rounded)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
