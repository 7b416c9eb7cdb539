"""The data sets: a folder or a module each (reader, repairs, protocols), and what they share. No torch here."""
