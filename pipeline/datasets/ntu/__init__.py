"""NTU RGB+D, and the code that it shares with NTU RGB+D 120."""
