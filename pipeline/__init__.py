"""STA-LSTM (Song et al., AAAI 2017), reproduced as a DVC pipeline from raw skeleton files to the paper's tables."""

__version__ = "0.1.0"
