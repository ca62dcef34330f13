"""The states: time zone, climate, cities and tariff. Addresses and prices are invented, the cities exist."""

from dataclasses import dataclass
from typing import NamedTuple


class City(NamedTuple):
    """name, county, coordinates of its center in degrees, and the first three digits of its postcodes."""

    name: str
    county: str
    lon: float
    lat: float
    postcode_area: str


class Period(NamedTuple):
    """Local hours `first` to `last` (inclusive) of one type: off-peak, partial-peak or peak."""

    first: int
    last: int
    type: str


class Prices(NamedTuple):
    """Thousandths of a cent per kWh."""

    off_peak: int
    partial_peak: int
    peak: int


@dataclass(frozen=True)
class State:
    """january, july: mean temperatures in degrees Celsius. warm: homes have an air conditioner."""

    zone: str
    january: float
    july: float
    warm: bool
    cities: tuple[City, ...]
    winter: Prices
    summer: Prices


# Winter has a peak in the morning and one in the evening, summer a long one in the afternoon.
WINTER_PERIODS = (
    Period(0, 5, "off-peak"),
    Period(6, 9, "peak"),
    Period(10, 16, "partial-peak"),
    Period(17, 20, "peak"),
    Period(21, 23, "off-peak"),
)
SUMMER_PERIODS = (
    Period(0, 6, "off-peak"),
    Period(7, 13, "partial-peak"),
    Period(14, 19, "peak"),
    Period(20, 21, "partial-peak"),
    Period(22, 23, "off-peak"),
)
SUMMER_MONTHS = range(5, 11)

# The cost of fuel from January to December, added to every price, in thousandths of a cent per kWh.
FUEL = (141, 133, 102, 64, 38, 52, 117, 129, 93, 47, 71, 118)

STATES = {
    "or": State(
        zone="America/Los_Angeles",
        january=4.5,
        july=21.0,
        warm=False,
        cities=(
            City("Portland", "Multnomah", -122.64, 45.52, "972"),
            City("Eugene", "Lane", -123.09, 44.05, "974"),
            City("Bend", "Deschutes", -121.31, 44.06, "977"),
        ),
        winter=Prices(5021, 7634, 11207),
        summer=Prices(4873, 7218, 10466),
    ),
    "ca": State(
        zone="America/Los_Angeles",
        january=12.0,
        july=23.5,
        warm=True,
        cities=(
            City("Sacramento", "Sacramento", -121.47, 38.56, "958"),
            City("San Jose", "Santa Clara", -121.87, 37.32, "951"),
            City("Fresno", "Fresno", -119.78, 36.76, "937"),
        ),
        winter=Prices(13382, 17945, 22618),
        summer=Prices(14127, 20364, 31759),
    ),
    "az": State(
        zone="America/Phoenix",
        january=13.0,
        july=35.0,
        warm=True,
        cities=(
            City("Phoenix", "Maricopa", -112.07, 33.48, "850"),
            City("Mesa", "Maricopa", -111.81, 33.41, "852"),
            City("Tucson", "Pima", -110.92, 32.23, "857"),
        ),
        winter=Prices(6914, 8803, 10937),
        summer=Prices(7286, 12571, 23148),
    ),
    "co": State(
        zone="America/Denver",
        january=0.0,
        july=23.0,
        warm=False,
        cities=(
            City("Denver", "Denver", -104.97, 39.73, "802"),
            City("Boulder", "Boulder", -105.25, 40.02, "803"),
            City("Pueblo", "Pueblo", -104.62, 38.27, "810"),
        ),
        winter=Prices(5542, 8317, 12094),
        summer=Prices(5919, 9486, 16253),
    ),
    "ny": State(
        zone="America/New_York",
        january=0.5,
        july=24.5,
        warm=False,
        cities=(
            City("Albany", "Albany", -73.79, 42.66, "122"),
            City("Syracuse", "Onondaga", -76.14, 43.04, "132"),
            City("Rochester", "Monroe", -77.61, 43.15, "146"),
        ),
        winter=Prices(8235, 11706, 17381),
        summer=Prices(8648, 13927, 24512),
    ),
    "hi": State(
        zone="Pacific/Honolulu",
        january=23.0,
        july=27.5,
        warm=True,
        cities=(
            City("Wahiawa", "Honolulu", -158.02, 21.50, "967"),
            City("Waimea", "Hawaii", -155.66, 20.02, "967"),
        ),
        winter=Prices(24169, 28453, 34872),
        summer=Prices(24781, 29516, 36047),
    ),
    "tx": State(
        zone="America/Chicago",
        january=11.0,
        july=29.5,
        warm=True,
        cities=(
            City("Austin", "Travis", -97.74, 30.27, "787"),
            City("San Antonio", "Bexar", -98.49, 29.43, "782"),
            City("Fort Worth", "Tarrant", -97.33, 32.75, "761"),
        ),
        winter=Prices(6127, 8069, 10518),
        summer=Prices(6433, 10872, 19346),
    ),
    "wa": State(
        zone="America/Los_Angeles",
        january=3.5,
        july=20.0,
        warm=False,
        cities=(
            City("Spokane", "Spokane", -117.42, 47.66, "992"),
            City("Yakima", "Yakima", -120.51, 46.60, "989"),
        ),
        winter=Prices(4716, 6582, 9473),
        summer=Prices(4538, 6147, 8821),
    ),
    "fl": State(
        zone="America/New_York",
        january=16.5,
        july=28.5,
        warm=True,
        cities=(
            City("Orlando", "Orange", -81.38, 28.54, "328"),
            City("Tallahassee", "Leon", -84.28, 30.44, "323"),
        ),
        winter=Prices(7058, 9241, 12736),
        summer=Prices(7394, 11683, 18027),
    ),
    "mn": State(
        zone="America/Chicago",
        january=-9.0,
        july=23.0,
        warm=False,
        cities=(
            City("Minneapolis", "Hennepin", -93.27, 44.96, "554"),
            City("Rochester", "Olmsted", -92.47, 44.02, "559"),
        ),
        winter=Prices(6305, 9128, 13659),
        summer=Prices(6571, 9937, 17284),
    ),
}

# The state of hub 1, 2, …; after the last it starts again.
STATE_OF_HUB = ("or", "ca", "az", "co", "ny", "ca", "hi", "tx", "wa", "fl", "mn")
