"""Attention of trained networks replaced at prediction time: `kinds`, `replacements`, `predictions`, `measures`, `page`.

Nothing is trained here and no stage depends on it; `pipeline.commands.knockout` is the command.
"""
