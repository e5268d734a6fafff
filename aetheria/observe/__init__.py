"""Fields of the cells: requested, computed, averaged down and delivered to subscribers."""
