"""Main networks of other papers, a module each, named as `network.kind` in `params.yaml`; a cell depends on its own alone."""
