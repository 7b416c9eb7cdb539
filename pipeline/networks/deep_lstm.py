"""Deep LSTM of the comparison in Shahroudy, Liu, Ng, Wang, CVPR 2016: LSTM layers of another number than the main network's."""

from __future__ import annotations

from dataclasses import replace

from pipeline.core.model import Config, MainLSTM


class DeepLSTM(MainLSTM):
    """As `MainLSTM`, with its own number of layers."""

    def __init__(self, inputs: int, c: Config, layers: int):
        super().__init__(inputs, replace(c, layers=layers))


NETWORK = DeepLSTM
