"""The queries of a Grafana dashboard as Prometheus gets to see them, with values in place of Grafana's variables."""

import json

VARIABLES = (("$__rate_interval", "1m"), ("$__range", "30m"), ("$job", ".*"))


def _expressions(value):
    if isinstance(value, dict):
        if isinstance(value.get("expr"), str):
            yield value["expr"]
        for inner in value.values():
            yield from _expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _expressions(inner)


def queries(path):
    """Every query of the file, panels and annotations alike."""
    with open(path, encoding="utf-8") as file:
        board = json.load(file)
    found = []
    for query in _expressions(board):
        for variable, value in VARIABLES:
            query = query.replace(variable, value)
        assert "$" not in query, f"{path}: a variable is left in `{query}`"
        found.append(query)
    assert found, f"{path} has no queries"
    return found
