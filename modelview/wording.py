"""Numbers with their nouns, as every sentence has them."""


def counted(number: int, noun: str, several: str = "") -> str:
    """A number and its noun. several: the noun's plural, where it is not made with an s.

    >>> counted(1, "module"), counted(1200, "module"), counted(2, "entry", "entries")
    ('1 module', '1,200 modules', '2 entries')
    """
    return f"{number:,} {noun if number == 1 else several or f'{noun}s'}"
