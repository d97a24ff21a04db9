"""The exact sum of updates, robust combiners, norms, metric totals, and the checks on what devices report."""

from fieldfare.core.aggregation._fixed_point import FixedPointSum, SumBounds, snapshot_digest
from fieldfare.core.aggregation._metric_totals import MetricTotals
from fieldfare.core.aggregation._norms import check_norm, clipped, euclidean_norm
from fieldfare.core.aggregation._report import ReportRules, check_header, read_update, update_weight
from fieldfare.core.aggregation._robust import HeldUpdate, combine, coordinate_median, multi_krum, trimmed_mean
from fieldfare.core.aggregation._staleness import staleness_weight

__all__ = [
    "FixedPointSum",
    "HeldUpdate",
    "MetricTotals",
    "ReportRules",
    "SumBounds",
    "check_header",
    "check_norm",
    "clipped",
    "combine",
    "coordinate_median",
    "euclidean_norm",
    "multi_krum",
    "read_update",
    "snapshot_digest",
    "staleness_weight",
    "trimmed_mean",
    "update_weight",
]
