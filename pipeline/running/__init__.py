"""Where runs are done: processes of this machine, the workers of a cluster, the ranks of one run. Changes no number."""
