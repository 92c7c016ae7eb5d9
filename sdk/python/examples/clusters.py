"""Two clusters of samples whose measures two parties have, and what of their variance two components explain."""

from __future__ import annotations

import numpy as np
import plain
import tacit
from tables import report, shared, table
from tacit import ml


def main(rows=None, steps=10):
    """Figures of the secret fits and of plain NumPy."""
    _, cells = table("breast_cancer", rows)
    X, benign = cells[:, :10], cells[:, 10] > 0
    with tacit.local_pair() as s:
        blocks = ml.StandardScaler().fit_transform(shared(s, X, 5))
        truth = s.array(benign, party=1)
        numbers = plain.standardised(X, np.arange(len(X)))

        model = ml.KMeans(2, steps=steps, init=[0, 1]).fit(blocks)
        same = np.mean((model.labels_ == 1) == truth)
        centres, labels = plain.lloyd(numbers, numbers[:2], steps)
        inertia = ((numbers - centres[labels]) ** 2).sum()
        pca = ml.PCA(2).fit(blocks)
        secret_same, secret_inertia, ratios = s.reveal(same, model.inertia_, pca.explained_variance_ratio_)
    variances = np.linalg.eigvalsh(np.cov(numbers.T))[::-1]
    agreement = lambda share: max(share, 1 - share)
    return [
        report(
            "KMeans, rows that agree with the diagnosis",
            agreement(secret_same),
            agreement(np.mean((labels == 1) == benign)),
        ),
        report("KMeans, inertia a row", secret_inertia / len(X), inertia / len(X)),
        report("PCA, variance explained by two components", ratios.sum(), variances[:2].sum() / variances.sum()),
    ]


if __name__ == "__main__":
    main()
