"""Names of rules, as pattern files and people write them.

Sources: LifeWiki, "List of Life-like rules"; the rule lexicon of MCell (M. Wojtowicz); Golly's collection of rules.
"""

NAMES = {
    # Life-like
    "Life": "B3/S23",
    "Conway": "B3/S23",
    "Conway's Life": "B3/S23",
    "Game of Life": "B3/S23",
    "Conway's Game of Life": "B3/S23",
    "HighLife": "B36/S23",
    "Seeds": "B2/S",
    "Live Free or Die": "B2/S0",
    "Day & Night": "B3678/S34678",
    "Day and Night": "B3678/S34678",
    "Life without Death": "B3/S012345678",
    "Replicator": "B1357/S1357",
    "Fredkin": "B1357/S02468",
    "2x2": "B36/S125",
    "34 Life": "B34/S34",
    "3-4 Life": "B34/S34",
    "Amoeba": "B357/S1358",
    "Assimilation": "B345/S4567",
    "Coagulations": "B378/S235678",
    "Coral": "B3/S45678",
    "Diamoeba": "B35678/S5678",
    "DotLife": "B3/S023",
    "Dry Life": "B37/S23",
    "Flakes": "B3/S012345678",
    "Flock": "B3/S12",
    "Gnarl": "B1/S1",
    "H-trees": "B1/S012345678",
    "InverseLife": "B0123478/S34678",
    "Long Life": "B345/S5",
    "Maze": "B3/S12345",
    "Mazectric": "B3/S1234",
    "Morley": "B368/S245",
    "Move": "B368/S245",
    "Pedestrian Life": "B38/S23",
    "Pseudo Life": "B357/S238",
    "Serviettes": "B234/S",
    "Stains": "B3678/S235678",
    "Walled Cities": "B45678/S2345",
    # Generations
    "Brian's Brain": "/2/3",
    "Star Wars": "345/2/4",
    # Margolus
    "BBM": "MS,D0;8;4;3;2;5;9;7;1;6;10;11;12;13;14;15",
    "Billiard balls": "MS,D0;8;4;3;2;5;9;7;1;6;10;11;12;13;14;15",
    "Critters": "MS,D15;14;13;3;11;5;6;1;7;9;10;2;12;4;8;0",
    "Tron": "MS,D15;1;2;3;4;5;6;7;8;9;10;11;12;13;14;0",
    # Three dimensions
    "Life 4555": "B5/S4,5",
    "Life 5766": "B6/S5,6,7",
    # Larger than Life
    "Bosco": "R5,C0,M1,S34..58,B34..45,NM",
    "Bosco's Rule": "R5,C0,M1,S34..58,B34..45,NM",
}
TABLES = (
    *("WireWorld", "JvN29", "Nobili32", "Hutton32", "Langtons-Loops", "Langtons-Ant", "LifeHistory", "HistoricalLife"),
    *("LifeSuper", "Banks-I", "Banks-II", "Banks-III", "Banks-IV", "Byl-Loop", "Chou-Reggia-1", "Chou-Reggia-2", "Codd"),
    *("Codd2", "Devore", "Evoloop", "Perrier", "SDSR-Loop", "Tempesti", "TripATron", "BBM-Margolus-emulated"),
    *("CrittersMargolus_emulated", "TripATronMargolus_emulated", "HPP", "Ulam-Fractal", "Caterpillars", "Perrier-Loop"),
)


def plain(name: str) -> str:
    """A name without case, spaces and punctuation."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


BY_PLAIN_NAME = {plain(name): text for name, text in NAMES.items()}
