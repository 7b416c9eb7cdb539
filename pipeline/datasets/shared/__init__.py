"""What data sets share; nothing here knows one of them."""
