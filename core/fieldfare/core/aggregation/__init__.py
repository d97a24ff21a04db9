"""The exact sum of updates, its snapshots, metric totals, and the checks on what devices report."""

from fieldfare.core.aggregation._fixed_point import FixedPointSum, SumBounds
from fieldfare.core.aggregation._metric_totals import MetricTotals
from fieldfare.core.aggregation._report import ReportRules, check_header, update_weight

__all__ = ["FixedPointSum", "MetricTotals", "ReportRules", "SumBounds", "check_header", "update_weight"]
