"""How multiply-accumulates of an encoder are counted: by rule, and by watching."""
