"""STA-LSTM, equation by equation. Torch alone: tensors in, tensors out; copy the folder and it works.

Time comes first in every tensor, `[T, B, ...]`, as the LSTM kernels like it. Letters: T frames (padded), B clips, K gates
(joints of all bodies), H hidden units, C classes. Equations are those of Song et al., AAAI 2017.
"""

from pipeline.model.attention import SpatialAttention, TemporalAttention
from pipeline.model.co_occurrence import CoOccurrence
from pipeline.model.hbrnn import HBRNN
from pipeline.model.objective import Penalties, Terms, objective
from pipeline.model.p_lstm import PLSTM
from pipeline.model.sta_lstm import STALSTM, Config, DeepLSTM, MainLSTM, Output
from pipeline.model.window_svm import WindowSVM

__all__ = [
    "HBRNN",
    "PLSTM",
    "STALSTM",
    "CoOccurrence",
    "Config",
    "DeepLSTM",
    "MainLSTM",
    "Output",
    "Penalties",
    "SpatialAttention",
    "TemporalAttention",
    "Terms",
    "WindowSVM",
    "objective",
]
