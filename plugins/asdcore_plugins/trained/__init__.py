"""Networks that are trained to tell machines and their attributes apart, and what their training needs."""
