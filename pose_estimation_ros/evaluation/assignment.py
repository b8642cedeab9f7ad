"""The best pairing of two lists, as evaluators need it: SciPy's solver is no dependency of this package."""

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray


def best_pairs(gain: FloatArray) -> list[tuple[int, int]]:
    """Return pairs (row, column), by row, that together gain most; pairs that gain nothing are left out.

    The Hungarian method with shortest augmenting paths, O(n^2 m) for n rows and m columns, n the smaller number.
    """
    gain = np.asarray(gain, dtype=np.float64)
    if not gain.size:
        return []
    if len(gain) > gain.shape[1]:
        return sorted((row, column) for column, row in best_pairs(gain.T))
    owners = _owners(-np.maximum(gain, 0))
    pairs = [(int(row), column) for column, row in enumerate(owners) if row >= 0 and gain[row, column] > 0]
    return sorted(pairs)


def _owners(cost: FloatArray) -> FloatArray:
    """Return for each column the row that has it, or -1, at the least cost of all rows together."""
    rows, columns = cost.shape
    # Column 0 of these stands for the row that looks for a column; potentials keep reduced costs at 0 or more.
    owner = np.full(columns + 1, -1)
    of_row, of_column = np.zeros(rows), np.zeros(columns + 1)
    for row in range(rows):
        owner[0], column = row, 0
        least = np.full(columns + 1, np.inf)
        way = np.zeros(columns + 1, dtype=np.int64)
        done = np.zeros(columns + 1, dtype=bool)
        while owner[column] >= 0:
            done[column] = True
            current = owner[column]
            reduced = cost[current] - of_row[current] - of_column[1:]
            better = ~done[1:] & (reduced < least[1:])
            least[1:][better], way[1:][better] = reduced[better], column
            step = np.where(done[1:], np.inf, least[1:])
            following = int(step.argmin()) + 1
            delta = float(step[following - 1])
            of_row[owner[done]] += delta
            of_column[done] -= delta
            least[~done] -= delta
            column = following
        while column:
            owner[column], column = owner[way[column]], int(way[column])
    return owner[1:]
