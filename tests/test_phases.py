"""Methods: the phases of their training, and the networks that they stand for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from pipeline.config import params as parameters
from pipeline.config.reads import OWN
from pipeline.core.errors import ParamsError
from pipeline.core.model import MainLSTM
from pipeline.core.settings import Method
from pipeline.core.skeletons import Meta
from pipeline.core.training import phases as methods
from pipeline.datasets.ntu.dataset import NTU
from pipeline.datasets.sbu import dataset as sbu
from tests.conftest import ROOT, Plain

Make = Callable[..., Plain]
STA = Method(spatial=True, temporal=True, staged=True)
METHODS = parameters.load(ROOT / "params.yaml").params.methods
EARLIER = [name for name, method in METHODS.items() if method.network is not None]


def test_phases_are_algorithm_1(small_params: Make) -> None:
    params = small_params()
    phases = methods.pretrain_phases(STA, params) + methods.finetune_phases(STA, params)
    found = [(p.name, p.layers, "+".join(sorted(p.uses)), "+".join(sorted(p.trains)), p.fresh_main) for p in phases]
    assert found == [
        ("temporal-1-layer", 1, "main+temporal", "main+temporal", True),
        ("temporal-main", 3, "main+temporal", "main", True),
        ("temporal-tune", 3, "main+temporal", "main+temporal", False),
        ("spatial-1-layer", 1, "main+spatial", "main+spatial", True),
        ("spatial-main", 3, "main+spatial", "main", True),
        ("spatial-tune", 3, "main+spatial", "main+spatial", False),
        ("main", 3, "main+spatial+temporal", "main", True),
        ("joint", 3, "main+spatial+temporal", "main+spatial+temporal", False),
    ]


@pytest.mark.parametrize(
    ("spatial", "temporal", "staged", "expected"),
    [
        (False, False, True, ["main", "joint"]),
        (True, False, True, ["spatial-1-layer", "main", "joint"]),
        (False, True, True, ["temporal-1-layer", "main", "joint"]),
        (True, True, False, ["main", "joint"]),
    ],
)
def test_phases_of_the_other_methods(
    small_params: Make, spatial: bool, temporal: bool, staged: bool, expected: list[str]
) -> None:
    method, params = Method(spatial=spatial, temporal=temporal, staged=staged), small_params()
    pretrain, finetune = methods.pretrain_phases(method, params), methods.finetune_phases(method, params)
    assert [p.name for p in pretrain + finetune] == expected
    if not staged:
        assert all(p.trains == p.uses for p in finetune)


@pytest.mark.parametrize("meta", [sbu.META, NTU.META], ids=["sbu", "ntu"])
@pytest.mark.parametrize("name", EARLIER)
def test_networks_of_earlier_methods_fit_every_skeleton(name: str, meta: Meta, small_params: Make) -> None:
    params = small_params(model={"velocity": 5.0})
    method = params.methods[name]
    assert methods.pretrain_phases(method, params) == []
    *_, last = methods.finetune_phases(method, params)
    if getattr(methods.module_of(method.network).NETWORK, "sizes_are_learned", False):
        return  # says nothing before it is fitted: test_fitted.py
    gates = meta.bodies * len(meta.joints)
    output = methods.build(last, method, params, meta)(torch.randn(3, 2, gates, 6), torch.ones(3, 2, dtype=torch.bool))
    assert output.logits.shape == (2, len(meta.actions)) and output.alpha is None and output.beta is None


def test_every_kind_of_network_has_its_line() -> None:
    modules = (ROOT / "pipeline" / "networks").glob("*.py")
    kinds = {path.stem.replace("_", "-") for path in modules if "\nNETWORK = " in path.read_text()}
    assert {METHODS[name].network.kind for name in EARLIER} == kinds == set(OWN)
    assert all(hasattr(methods.module_of({"kind": kind}), "NETWORK") for kind in kinds)


@pytest.mark.parametrize("kind", ["transformer", "parts"])
def test_a_kind_without_a_network_is_named(kind: str) -> None:
    with pytest.raises(ParamsError, match=rf"network.kind '{kind}': expected .*pipeline.networks.{kind}"):
        methods.network_of({"kind": kind}, sbu.META)


def test_a_setting_that_a_network_does_not_take_is_named() -> None:
    with pytest.raises(ParamsError, match="network 'deep-lstm' has no setting depth; it has layers"):
        methods.network_of({"kind": "deep-lstm", "depth": 2}, sbu.META)


def test_support_vector_machines_alone_are_trained_in_their_own_way(small_params: Make) -> None:
    own = {name for name, method in small_params().methods.items() if methods.own_training(method) is not None}
    ji = {"raw-skeleton-ji2014", "joint-feature-ji2014"}
    assert own == {"raw-skeleton-yun2012", "joint-feature-yun2012", "lie-group", "skeletal-quads", "dynamic-skeletons"} | ji


def test_a_method_without_a_network_of_its_own_has_the_papers(small_params: Make) -> None:
    params = small_params()
    method = params.methods["lstm"]
    main = methods.build(methods.finetune_phases(method, params)[0], method, params, sbu.META).main
    assert type(main) is MainLSTM and len(main.lstms) == params.model.layers
