"""Attention and a gradient-based saliency beside planted evidence: `weights` (torch, captum) and `shares`.

Nothing is trained here and no stage depends on it; `pipeline.commands.saliency` is the command.
"""
