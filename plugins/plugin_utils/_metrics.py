# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records as text for Prometheus, such as for the textfile collector of node_exporter. Pure. PRIVATE."""

from __future__ import annotations

import typing as t

from ._verdict import DAMAGE, WITHOUT_ANSWER, grade

# By name of a metric: its help, and the value for a record, or None where the record has none.
_METRICS: dict[str, tuple[str, t.Callable[[t.Mapping[str, t.Any]], t.Any]]] = {
    "record_time_seconds": ("When the host was asked, in seconds since the epoch.", lambda record: record["time"]),
    "up": ("Whether the host answered.", lambda record: int(record["state"] not in WITHOUT_ANSWER)),
    "store_exists": (
        "Whether the path has a store.",
        lambda record: None if record["state"] in WITHOUT_ANSWER else int(record["state"] != "absent"),
    ),
    "damaged": (
        "Whether something damages or stops the store.",
        lambda record: None if record["state"] in WITHOUT_ANSWER else int(grade(record) == DAMAGE),
    ),
    "problems": ("Number of problems and findings.", lambda record: record["problem_count"]),
    "layers": ("Number of layers.", lambda record: _of(record, "store", "layers")),
    "mounts": ("Number of mounted layers.", lambda record: _of(record, "store", "mounts")),
    "filesystem_size_bytes": ("Size of the store's filesystem.", lambda record: _of(record, "store", "size")),
    "filesystem_free_bytes": ("Free bytes of the store's filesystem.", lambda record: _of(record, "store", "free")),
    "reclaimable_layers": ("Number of layers that may go by the plan.", lambda record: _of(record, "plan", "remove")),
    "reclaimable_bytes": ("Bytes that the plan frees.", lambda record: _of(record, "plan", "remove_bytes")),
}
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def metrics(records: t.Iterable[t.Mapping[str, t.Any]]) -> str:
    """Return the metrics of all records, as text in Prometheus's format."""
    lines: dict[str, list[str]] = {name: [] for name in _METRICS}
    for record in records:
        home = (record["store"] or {}).get("home", "")
        labels = f'{{host="{record["host"].translate(_ESCAPES)}",home="{home.translate(_ESCAPES)}"}}'
        for name, (_help, value_of) in _METRICS.items():
            value = value_of(record)
            if value is not None:
                lines[name].append(f"strata_overlay2_{name}{labels} {value}\n")
    return "".join(
        f"# HELP strata_overlay2_{name} {_METRICS[name][0]}\n# TYPE strata_overlay2_{name} gauge\n" + "".join(rows)
        for name, rows in lines.items()
        if rows
    )


def _of(record: t.Mapping[str, t.Any], part: str, key: str) -> t.Any:
    return record[part][key] if record[part] else None
