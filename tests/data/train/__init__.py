"""Trains the zoo: small real networks whose lineage is known because we made it."""
