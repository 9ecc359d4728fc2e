"""How often intervals of shares of known errors contain the truth, with few known answers.

    python -m benchmarks.annotate.known_shares

Simulated people correct answers whose right results are known. Some of these answers are drawn many
times; each line is a figure, a person's error rate and the number of answers drawn: the share over
all answers, and in how many draws the app's interval and Student's contained it.
"""

import argparse
from collections.abc import Mapping, Sequence

import numpy as np
from benchmarks.annotate.five_people import EXPERT, PEOPLE, RATES, asked, item_of, state_of

from groundtune.bench.metric import Floats
from groundtune.bench.stats.student import student_quantile
from groundtune.feedback.agreement.alpha import Sums
from groundtune.pipeline.annotate.quality.estimates import Formula, estimate
from groundtune.pipeline.annotate.quality.item_sums import item_sums
from groundtune.pipeline.annotate.quality.summary import GOLD

FIRST = 4_000_000
Columns = Mapping[str, Floats]


def sums_of(number: int, people: Sequence[str]) -> dict[str, Columns]:
    """Each person's sums on known answers, by column."""
    rows: dict[str, list[Sums]] = {person: [] for person in people}
    for each in asked(FIRST, number):
        item = item_of(each, EXPERT.correct(each.prompt, each.answer))
        for person in people:
            rows[person].append(item_sums(item, {person: state_of(person, each)}).people[person])
    names = {name for own in rows.values() for row in own for name in row}
    return {
        person: {name: np.array([row.get(name, 0.0) for row in own]) for name in names}
        for person, own in rows.items()
    }


def contained(
    formula: Formula, columns: Columns, number: int, draws: int, rng: np.random.Generator
) -> tuple[float, int, int, int]:
    """The share of all, in how many draws both intervals contained it, and of how many draws."""
    right = float(formula.value({name: np.array([v.sum()]) for name, v in columns.items()})[0])
    ours = students = made = 0
    size = len(next(iter(columns.values())))
    for _ in range(draws):
        places = rng.integers(0, size, number)
        found = estimate(formula, {name: column[places] for name, column in columns.items()})
        if not found.n or found.low is None or found.high is None:
            continue
        made += 1
        ours += found.low <= right <= found.high
        if found.error > 1e-12:
            half = student_quantile(found.n - 1, 0.975) * found.error
            students += abs(found.value - right) <= half
        else:
            students += found.low <= right <= found.high
    return right, ours, students, made


def main() -> None:
    """Print a line per figure, person and number of answers."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--pool", type=int, default=1500, help="answers that are drawn from")
    parser.add_argument("--draws", type=int, default=600)
    parser.add_argument("--answers", type=int, nargs="+", default=[12, 40])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    pool = sums_of(options.pool, list(PEOPLE))
    least = [options.draws, options.draws]
    for formula in GOLD[1:]:  # the first one is a share of answers, which has Wilson's interval
        for (person, columns), rate in zip(pool.items(), RATES, strict=True):
            for number in options.answers:
                right, ours, students, made = contained(
                    formula, columns, number, options.draws, rng
                )
                least = [min(least[0], ours), min(least[1], students)]
                print(
                    f"{formula.name}, {person} ({rate:.0%} errors), {number} answers: "
                    f"{right:.3f}, contained {ours} of {made}, Student's {students}"
                )
    print(f"least: {least[0]}, Student's {least[1]} of {options.draws}")


if __name__ == "__main__":
    main()
