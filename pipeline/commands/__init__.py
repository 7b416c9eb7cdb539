"""The commands around the stages: use, resolve by hand, check, search, confirm. No stage depends on them."""
