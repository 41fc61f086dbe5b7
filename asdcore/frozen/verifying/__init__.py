"""How a verification finds what differs, proves what is the same, and says so."""
