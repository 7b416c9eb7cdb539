"""Method names and the networks that they stand for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from pipeline import methods
from pipeline import params as parameters
from pipeline.datasets import sbu
from pipeline.datasets.ntu import NTU
from pipeline.model import MainLSTM
from pipeline.sections import Params
from pipeline.skeletons import Meta

Make = Callable[..., Params]
EARLIER = [name for name, method in parameters.load().methods.items() if method.network is not None]


@pytest.mark.parametrize("meta", [sbu.META, NTU.META], ids=["sbu", "ntu"])
@pytest.mark.parametrize("name", EARLIER)
def test_networks_of_earlier_methods_fit_every_skeleton(name: str, meta: Meta, small_params: Make) -> None:
    params = small_params(model={"velocity": 5.0})
    method = params.methods[name]
    assert methods.pretrain_phases(method, params) == []
    *_, last = methods.finetune_phases(method, params)
    gates = meta.bodies * len(meta.joints)
    output = methods.build(last, method, params, meta)(torch.randn(3, 2, gates, 6), torch.ones(3, 2, dtype=torch.bool))
    assert output.logits.shape == (2, len(meta.actions)) and output.alpha is None and output.beta is None


def test_every_kind_of_network_has_its_line() -> None:
    methods_ = parameters.load().methods.values()
    assert {method.network.kind for method in methods_ if method.network} == set(methods.EARLIER)


def test_a_method_without_a_network_of_its_own_has_the_papers(small_params: Make) -> None:
    params = small_params()
    method = params.methods["lstm"]
    main = methods.build(methods.finetune_phases(method, params)[0], method, params, sbu.META).main
    assert type(main) is MainLSTM and len(main.lstms) == params.model.layers
