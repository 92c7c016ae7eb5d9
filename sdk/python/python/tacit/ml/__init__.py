"""Models that two parties fit on data that neither shows the other, with scikit-learn's interface.

``X`` and ``y`` are arrays of one session, of either party or made of both: ``np.column_stack([x0, x1])``, or the list
``[x0, x1]`` of each party's columns, which is cheaper for trees and scalers, as what one party alone knows it computes on
its own. What is fitted (``coef_`` and the like) is secret too: nothing is seen before it is revealed. Public are the numbers
of rows and features, the parameters of a model, and the declared ranges.

Fits are a fixed number of steps, and what is computed does not depend on the data. Their ranges come from the declared
ones: declare narrow ones, and scale features to a size of about 1 (:class:`StandardScaler`, :class:`MinMaxScaler`). Where
mathematics bounds no value, a parameter ``bound`` promises it; a fit that leaves it raises ``OverflowError`` when something
of it is revealed. The error bounds that :meth:`tacit.Array.explain` states hold for the worst data within the ranges, and
are far above what real tables show.
"""

from __future__ import annotations

from . import metrics
from .cluster import KMeans
from .decomposition import PCA
from .ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from .forest import RandomForestClassifier, RandomForestRegressor
from .linear import LinearRegression, Ridge
from .logistic import LogisticRegression
from .model_selection import train_test_split
from .neural import MLPClassifier, MLPRegressor
from .preprocessing import MinMaxScaler, StandardScaler
from .tree import DecisionTreeClassifier, DecisionTreeRegressor

__all__ = [
    "DecisionTreeClassifier",
    "DecisionTreeRegressor",
    "GradientBoostingClassifier",
    "GradientBoostingRegressor",
    "KMeans",
    "LinearRegression",
    "LogisticRegression",
    "MLPClassifier",
    "MLPRegressor",
    "MinMaxScaler",
    "PCA",
    "RandomForestClassifier",
    "RandomForestRegressor",
    "Ridge",
    "StandardScaler",
    "metrics",
    "train_test_split",
]
