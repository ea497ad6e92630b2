"""Requests of a rehearsal, changed for the worse and sent again: what the sandbox must refuse as the platforms do."""
