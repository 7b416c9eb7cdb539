"""The report of a data set: reads saved results only, takes every number from `statistics` and `summaries`.

`results` loads and checks, `analysis` applies the statistics, `tables`, `figures`, `attention`, `answers` and `ledger` lay out
what was found, `page` joins it into Markdown and HTML.
"""
