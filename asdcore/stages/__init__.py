"""One file per stage. A stage turns one table into the next and imports no other stage; they meet only in tables."""
