"""The first day with a GPU: its tests, then every rate and overhead in one table, within ten minutes."""
