"""The section of the page on what the devices hold."""

import numpy as np

from fieldfare.emulator.partition import PartitionStatistics
from fieldfare.emulator.report import Plot, Section, Table
from fieldfare.emulator.report.plots import label_plot, sizes_plot
from fieldfare.emulator.report.words import number

_MIDDLE = 3


def partition_section(statistics: PartitionStatistics) -> Section:
    """How the examples are spread; known here because this is an emulation."""
    plots = [Plot("", sizes_plot(statistics.size_edges, statistics.size_counts))]
    rows = [
        ("examples on all devices", f"{statistics.examples:,}"),
        ("different ones among these", f"{statistics.distinct:,}"),
        ("held out for evaluation", f"{statistics.held_out:,}"),
        ("examples of a device, fewest", f"{statistics.fewest:,}"),
        ("median", number(statistics.median)),
        ("most", f"{statistics.most:,}"),
    ]
    labels = statistics.labels
    if labels is not None:
        counts = np.array(labels.counts, np.int64)
        plots.insert(0, Plot("", label_plot(counts, labels=labels.values, of_all=statistics.devices)))
        rows += [
            ("different labels", f"{labels.known:,}"),
            ("different labels of a device, median", number(labels.distinct_quantiles[_MIDDLE])),
            ("distance of a device's labels from everybody's, mean", f"{labels.mean_distance:.3f}"),
        ]
    tables = [Table("", ("", ""), rows)]
    if statistics.features:
        found = [
            (one.name, number(one.mean), number(one.deviation), f"{100 * one.between:.1f} %")
            for one in statistics.features
        ]
        header = ("tensor", "mean", "standard deviation", "variance between devices")
        tables.append(Table("Features; an example counts with the mean over its elements", header, found))
    text = "The distance is 0 where each device has everybody's mix of labels, and near 1 where it has its own."
    return Section("What the devices hold", text if labels is not None else "", plots, tables)
