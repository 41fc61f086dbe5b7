"""Does one piece of work: encodes a clip or scores a machine, and records which code did it."""
