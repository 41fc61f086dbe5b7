"""Run folders: the tables of a finished run, and what ``run.json`` says of it."""
