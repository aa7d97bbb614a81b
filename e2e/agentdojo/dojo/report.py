"""What came of the runs: per suite utility, utility under attack, and attack success."""

import json
import pathlib

SUITES = ("workspace", "travel", "banking", "slack")


def share(rows, key):
    return sum(bool(r[key]) for r in rows), len(rows)


class Report:
    """Runs by their names: what the quarantine had, and how the conversations were led."""

    def __init__(self):
        self.runs = {}

    def add(self, name, rows, **facts):
        run = self.runs.setdefault(name, {"rows": [], "facts": {}})
        run["rows"] += rows
        run["facts"] |= facts

    def numbers(self, name):
        """Per suite, and in all, of one run."""
        rows = self.runs[name]["rows"]
        out = {}
        for suite in (*SUITES, "all"):
            here = [r for r in rows if suite in ("all", r["suite"])]
            tasks, pairs = [r for r in here if r["injection_task"] is None], [r for r in here if r["injection_task"]]
            if here:
                out[suite] = {
                    "utility": share(tasks, "utility"),
                    "utility_under_attack": share(pairs, "utility"),
                    "attack_success": share(pairs, "attacked"),
                    "injections_read": share(pairs, "read"),
                    "references_released": share(here, "released"),
                    "errors": sum(r["error"] is not None for r in here),
                }
        return out

    def print(self, name, out):
        facts = ", ".join(f"{k} {v}" for k, v in self.runs[name]["facts"].items())
        print(f"\n{name}" + (f" ({facts})" if facts else ""), file=out)
        print(f"  {'':10} {'utility':>12} {'under attack':>14} {'attack success':>15} {'injections read':>16} {'errors':>7}", file=out)
        for suite, n in self.numbers(name).items():
            cells = [f"{a}/{b}" if b else "-" for a, b in (n["utility"], n["utility_under_attack"], n["attack_success"], n["injections_read"])]
            print(f"  {suite:10} {cells[0]:>12} {cells[1]:>14} {cells[2]:>15} {cells[3]:>16} {n['errors']:>7}", file=out)
        out.flush()

    def write(self, path):
        document = {
            name: {"facts": run["facts"], "numbers": self.numbers(name), "rows": run["rows"]} for name, run in self.runs.items()
        }
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(path).write_text(json.dumps(document, indent=1) + "\n")
