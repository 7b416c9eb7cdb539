"""What each stage reads of `params.yaml`, as one small document: recipe laid over, and without what the stage does not read.

| document, under `data/params/` | for whom                                                                                  |
|--------------------------------|-------------------------------------------------------------------------------------------|
| `<cell>/<stage>.json`          | `pretrain` (where the method has it), `finetune`, `evaluate`                                |
| `<dataset>/<stage>.json`       | `download`, `normalize`, `split`, `report`                                                  |
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.config import params as parameters
from pipeline.config.params import SETTINGS, UNREGULARISED, Config
from pipeline.config.reads import read_by
from pipeline.config.sections import GridCell, Method, Params
from pipeline.core import settings as core

Document = dict[str, Any]
COMMANDS = ("search", "check", "answer", "knockout", "saliency")
"""Sections that no stage reads, but for the unit of a report's intervals."""


def documents(config: Config) -> dict[str, Document]:
    """All documents by their names, such as `sbu-paper-lstm/finetune`: of every cell of the grid, of every data set."""
    found: dict[str, Document] = {}
    for name in config.every:
        found |= {f"{name}/{stage}": document for stage, document in of_cell(config, name).items()}
    for dataset in dict.fromkeys(protocol.dataset for protocol in config.params.protocols.values()):
        found |= {f"{dataset}/{stage}": document for stage, document in of_dataset(config, dataset)}
    return found


def of_cell(config: Config, name: str) -> dict[str, Document]:
    """The documents of a cell by stage."""
    cell, params = parameters.for_cell(config, name)
    method = params.methods[cell.method]
    sections = params.model_dump(include=set(SETTINGS))
    head = {
        "name": name,
        "dataset": cell.dataset,
        "store_name": cell.store,
        "protocol": cell.protocol,
        "method_name": cell.method,
        "recipe": cell.recipe,
        "seeds": config.params.seeds[cell.seeds],
        "method": switches(method),
    }
    return {stage: {**head, "params": read_by(stage, method, sections)} for stage in stages_of(method)}


def stages_of(method: Method) -> tuple[str, ...]:
    """The stages of a cell: `pretrain` only where an attention learns before the main network."""
    staged = method.staged and (method.spatial or method.temporal)
    return ("pretrain", "finetune", "evaluate") if staged else ("finetune", "evaluate")


def switches(method: Method) -> Document:
    """A method as training reads it: whether it is regularised stands in the lambdas already."""
    return method.model_dump(exclude={"regularised", "earlier", "later", "reading"}, exclude_none=True)


def plain(params: Params, method: str) -> tuple[core.Method, core.Settings]:
    """A method, and all settings of `params`, as training reads them; nothing is left out, no recipe laid over."""
    found = params.methods[method]
    sections = params.model_dump(include=set(SETTINGS))
    if not found.regularised:
        sections["objective"] |= UNREGULARISED
    return core.Method(**switches(found)), core.Settings.of(sections, "params.yaml")


def of_dataset(config: Config, dataset: str) -> Iterator[tuple[str, Document]]:
    """The documents of a data set: of its cells those in use count for the report, all for its stores."""
    params = config.params
    variants = params.normalize.variants.get(dataset, {})
    formats = [protocol.store for protocol in params.protocols.values() if protocol.dataset == dataset]
    download = getattr(params.download, dataset, None)
    yield "download", download.model_dump() if download is not None else {}
    made = {
        store: {
            "format": parameters.raw_format(params.normalize, dataset, store),
            "section": parameters.section_of(params.normalize, dataset, store),
        }
        for store in dict.fromkeys([*formats, *variants])
    }
    yield "normalize", {"allow_malformed": params.normalize.allow_malformed, "stores": made}
    yield "split", params.split.model_dump()
    if dataset in params.use.datasets:
        yield "report", of_report(config, dataset)


def of_report(config: Config, dataset: str) -> Document:
    """What the report of a data set shows: `params.yaml` without what other data sets and unused lines of the grid have.

    `provenance` are the rows of the ledger: key, value, tag and reason of each parameter.
    """
    params, cells = config.params, {name: cell for name, cell in config.cells.items() if cell.dataset == dataset}
    document = params.model_dump(mode="json", exclude_none=True)
    used = list(cells.values())
    formats = {parameters.raw_format(params.normalize, dataset, cell.store) for cell in used}
    kept = {
        "protocols": {cell.protocol for cell in used},
        "grid": {cell.group for cell in used},
        "seeds": {cell.seeds for cell in used},
        "recipes": {cell.recipe for cell in used},
        "methods": {cell.method for cell in used} | {name for name, method in params.methods.items() if not method.network},
        "normalize": {"allow_malformed", "variants", *formats},
    }
    for section, names in kept.items():
        document[section] = {name: value for name, value in document[section].items() if name in names}
    document["grid"] = {group: _of_protocols(lines, kept["protocols"]) for group, lines in document["grid"].items()}
    document["use"] = {"groups": list(document["grid"]), "datasets": {dataset: params.use.datasets[dataset]}}
    document["download"] = {name: value for name, value in document["download"].items() if name == dataset}
    for section in document["download"].values():  # where raw files were found differs between machines and changes nothing
        if "source" in section:
            section["source"] = ""
    document["normalize"]["variants"] = {k: v for k, v in document["normalize"]["variants"].items() if k == dataset}
    subjects = [name for name in document.get("answer", {}).get("subjects", ()) if name in kept["protocols"]]
    document = {name: section for name, section in document.items() if name not in COMMANDS}
    if subjects:  # of that section, the unit of intervals alone
        document["answer"] = {"subjects": subjects, "people": {}, "copies": {}, "inputs": {}}
    return {"params": document, "provenance": [list(row) for row in provenance(used, dataset, formats)]}


def _of_protocols(lines: list[Document], protocols: set[str]) -> list[Document]:
    """Lines of the grid with these of their protocols, and without those that have none of them."""
    narrowed = [line | {"protocols": [name for name in line["protocols"] if name in protocols]} for line in lines]
    return [line for line in narrowed if line["protocols"]]


def provenance(cells: list[GridCell], dataset: str, formats: set[str]) -> Iterator[tuple[str, str, str, str]]:
    """The ledger's rows that concern these cells of a data set."""
    for row in parameters.provenance():
        section, _, rest = row[0].partition(".")
        owner = rest.partition(".")[0]
        if section == "download":
            concerns = owner == dataset and not row[0].endswith(".source")
        elif section == "normalize" and owner == "variants":
            concerns = rest.split(".")[1] == dataset and rest.split(".")[2] in {cell.store for cell in cells}
        elif section == "normalize" and "." in rest:
            concerns = owner in formats
        elif section == "methods":
            concerns = owner in {cell.method for cell in cells}
        elif section == "recipes":
            concerns = owner in {cell.recipe for cell in cells}
        else:
            concerns = section not in ("grid", "protocols", "use", "seeds", *COMMANDS)
        if concerns:
            yield row
