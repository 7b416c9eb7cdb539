"""STA-LSTM, equation by equation. Torch alone: tensors in, tensors out; copy the folder and it works.

Time comes first in every tensor, `[T, B, ...]`, as the LSTM kernels like it. Letters: T frames (padded), B clips, K gates
(joints of all bodies), H hidden units, C classes. Equations are those of Song et al., AAAI 2017.
"""

from pipeline.core.model.attention import SpatialAttention, TemporalAttention
from pipeline.core.model.objective import Penalties, Terms, objective
from pipeline.core.model.sta_lstm import STALSTM, Config, MainLSTM, Output

__all__ = ["STALSTM", "Config", "MainLSTM", "Output", "Penalties", "SpatialAttention", "TemporalAttention", "Terms", "objective"]
