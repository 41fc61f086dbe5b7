"""Small parts that any module may use: numbers as text, JSON and TOML from elsewhere, paths as given."""
