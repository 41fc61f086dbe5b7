"""What a manifest is: a sealed statement of everything a frozen run rests on, with the place of each thing here."""
