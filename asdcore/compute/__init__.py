"""How one piece of work is done: a clip encoded, a machine scored, and by which code."""
