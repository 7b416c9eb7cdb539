"""Answers to RQ1 to RQ4 over all data sets, from the committed predictions in `reports/baseline`: nothing is trained."""
