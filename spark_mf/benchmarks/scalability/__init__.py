"""How fits grow with cores, ratings, rank and blocks: points, each in a process of its own, and what they cost."""
