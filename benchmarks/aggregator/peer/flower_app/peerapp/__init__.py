"""A Flower app whose clients send random updates."""
