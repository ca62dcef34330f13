"""Athena's notation of values, the same for every query engine."""

from decimal import Decimal


def java_double(number: float) -> str:
    """A double as Java's ``Double.toString`` writes it: ``0.5``, ``1.0E-5``, ``1.2345678E7``, ``NaN``."""
    if number != number:
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0 or 1e-3 <= abs(number) < 1e7:
        text = f"{Decimal(repr(number)):f}"
        return text if "." in text else f"{text}.0"
    # Java writes at least two digits, the closest ones: 4.9E-324, although 5E-324 would be enough.
    two = f"{number:.1e}"
    sign, digits, exponent = Decimal(two if float(two) == number else repr(number)).normalize().as_tuple()
    text = "".join(map(str, digits))
    return f"{'-' if sign else ''}{text[0]}.{text[1:] or '0'}E{int(exponent) + len(text) - 1}"
