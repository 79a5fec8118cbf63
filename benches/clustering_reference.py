"""The algorithms of benches/clustering.rs in NumPy and scikit-learn, on the coordinates it left in FOLDER.

    clustering_reference.py FOLDER N [N ...]

Prints `name,models,median seconds,runs`. The paper's rule is written as one would with NumPy: all distances of an iteration from
one matrix product, no loop over models. Clusterings at alpha = 1 are checked against those of the Rust side.
"""

import sys
import time
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans, MeanShift
from sklearn.metrics import adjusted_rand_score


def squared_distances(x, x2, c):
    return np.maximum(x2[:, None] - 2.0 * (x @ c.T) + (c * c).sum(1), 0.0)


def seeds(x, k, rng):
    """k-means++."""
    chosen = [rng.integers(len(x))]
    nearest = ((x - x[chosen[0]]) ** 2).sum(1)
    while len(chosen) < k:
        chosen.append(rng.choice(len(x), p=nearest / nearest.sum()))
        nearest = np.minimum(nearest, ((x - x[chosen[-1]]) ** 2).sum(1))
    return x[chosen]


def k_means_along(x, k, alpha, restarts, norms, rng, tolerance=1e-16, limit=300):
    x2 = (x * x).sum(1)
    at_rest = tolerance * x.var(axis=0).sum()
    best = None
    for _ in range(restarts):
        centroids = seeds(x, k, rng)
        for _ in range(limit):
            labels = squared_distances(x, x2, centroids).argmin(1)
            following = centroids.copy()
            mean = rng.random() < alpha
            for j in range(k):
                members = np.flatnonzero(labels == j)
                if len(members):
                    following[j] = x[members].mean(0) if mean else x[members[norms[members].argmin()]]
            shift = ((following - centroids) ** 2).sum()
            centroids = following
            if shift <= at_rest:
                break
        labels = squared_distances(x, x2, centroids).argmin(1)
        total = 0.0
        for j in range(k):
            members = np.flatnonzero(labels == j)
            if len(members):
                center = x[members[norms[members].argmin()]] if alpha < 1 else x[members].mean(0)
                total += ((x[members] - center) ** 2).sum()
        if best is None or total < best[0]:
            best = (total, labels)
    return best[1]


def mean_shift_along(x, bandwidth, alpha, norms, rng, tolerance=1e-6, limit=300):
    x2 = (x * x).sum(1)
    window = bandwidth**2
    centers = x.copy()
    for _ in range(limit):
        inside = (squared_distances(x, x2, centers) <= window).T
        if rng.random() < alpha:
            following = (inside.astype(float) @ x) / inside.sum(1)[:, None]
        else:
            following = x[np.where(inside, norms, np.inf).argmin(1)]
        shift = ((following - centers) ** 2).sum(1).max()
        centers = following
        if shift <= tolerance * window:
            break
    centers = np.unique(centers.round(12), axis=0)
    full = (squared_distances(x, x2, centers) <= window).sum(0)
    kept = []
    for c in centers[np.argsort(-full, kind="stable")]:
        if all(((c - other) ** 2).sum() > window for other in kept):
            kept.append(c)
    return squared_distances(x, x2, np.array(kept)).argmin(1)


def measure(name, n, run, most=2.0):
    began = time.perf_counter()
    times = []
    # Fewer runs than on the Rust side where one takes long: the slowest takes a minute.
    while not times or (len(times) < 101 and time.perf_counter() - began < most):
        one = time.perf_counter()
        labels = run()
        times.append(time.perf_counter() - one)
    print(f"{name},{n},{np.median(times):e},{len(times)}", flush=True)
    return labels


def main():
    folder = Path(sys.argv[1])
    for n in map(int, sys.argv[2:]):
        x = np.load(folder / f"coordinates-{n}.npy")
        norms = np.load(folder / f"norms-{n}.npy")[:, 0]
        ours = np.load(folder / f"labels-{n}.npy")[:, 0]
        words = (folder / f"settings-{n}.txt").read_text().split()
        k, bandwidth, alpha, restarts = int(words[0]), float(words[1]), float(words[2]), int(words[3])
        rng = np.random.default_rng(1)
        runs = {
            "k-means-along-10-restarts": lambda: k_means_along(x, k, alpha, restarts, norms, rng),
            "k-means-along-1-restart": lambda: k_means_along(x, k, alpha, 1, norms, rng),
            "mean-shift-along": lambda: mean_shift_along(x, bandwidth, alpha, norms, rng),
            "k-means-after-10-restarts": lambda: KMeans(k, n_init=restarts, max_iter=300, tol=1e-16, random_state=1)
            .fit(x)
            .labels_,
            "k-means-after-1-restart": lambda: KMeans(k, n_init=1, max_iter=300, tol=1e-16, random_state=1)
            .fit(x)
            .labels_,
            "mean-shift-after": lambda: MeanShift(bandwidth=bandwidth).fit(x).labels_,
        }
        for name, run in runs.items():
            labels = measure(name, n, run)
            # One start may end elsewhere; the best of ten is the same on families this far apart.
            if "1-restart" not in name and adjusted_rand_score(ours, labels) != 1.0:
                sys.exit(f"{name} at {n} models: another partition than the Rust side's")


if __name__ == "__main__":
    main()
