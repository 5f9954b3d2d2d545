"""The doors: the operator's command `hedwig`, and the mains of the three daemons."""
