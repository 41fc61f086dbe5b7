"""The colours of charts: told apart in light and dark, and by most who see colours otherwise."""

BLUE, ORANGE, AMBER, GREY = "#2f83c4", "#d9622b", "#e0a11b", "#8d99a6"
