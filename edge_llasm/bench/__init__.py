"""What takes how long on this machine, and what the machine itself could do."""
