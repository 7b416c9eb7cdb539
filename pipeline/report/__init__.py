"""The report of a data set: reads saved results only, takes every number from `pipeline.results`.

`results` loads and checks, `analysis` applies the statistics. Chapters: `contents` (headline, comparison), `answers` (the four
questions), `earlier` and `panels` (other methods), `twins` (regularisers, stages), `switches`, `phases`, `search`, `attention`,
`details`, `ledger`. `tables`, `text` and `figures` are their means, `plots` writes the tables of `dvc plots`, `page` joins all
into Markdown and HTML.
"""
