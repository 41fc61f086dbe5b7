"""The stages of a run, one file each. A stage turns one table into the next; stages share tables, never imports."""
