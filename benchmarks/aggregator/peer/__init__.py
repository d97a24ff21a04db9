"""Rounds of clients that compute nothing: Fieldfare beside Flower."""
