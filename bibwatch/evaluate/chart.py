"""A picture of what was measured."""

import io
from collections.abc import Mapping
from typing import Any


def speed_chart(told: Mapping[str, Any]) -> bytes:
    """Photos a second of both ways, and where the time of ours goes, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), dpi=110, layout="constrained")
    rates, stages = figure.subplots(1, 2, width_ratios=(1, 1.4))
    ours, notebook = told["ours"], told["notebook"]
    both = {"bibwatch": ours["photos_per_s"]}
    if notebook["photos_per_s"] is not None:
        both["the notebook's way"] = notebook["photos_per_s"]
    bars = rates.bar(list(both), list(both.values()), color=["C0", "0.7"][: len(both)])
    rates.bar_label(bars, fmt="%.2f")
    rates.set(ylabel="photos a second", title="from file to finished link, as far as each goes")
    names = list(ours["stages"])
    spent = stages.barh(names, [ours["stages"][name] * 1000 for name in names], color="C0")
    stages.bar_label(spent, fmt="%.1f", padding=2)
    stages.invert_yaxis()
    stages.set(xlabel="milliseconds a photo, in the process that does it", title="where the time goes")
    for axes in (rates, stages):
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.12, y=0.12)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()
