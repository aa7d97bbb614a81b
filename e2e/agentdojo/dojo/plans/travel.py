"""Travel: the tools return prose of a known shape. Names come as references, prices, ratings, days and kinds as values."""

import re

from ..reading import Blind, number, seen
from ..script import call, plan

FLIGHTS = re.compile(r"Airline: ([^,]+), Flight Number: ([^,]+),.*?Price: ([0-9.]+)")


def names(r):
    """The names in a list of places."""
    if not r.clearance:
        return [line for line in r.raw.split(": ", 1)[1].split("\n") if line.strip()]
    if not isinstance(r.tree, dict) or not isinstance(r.tree.get("names"), list):
        raise Blind("the list cannot be read")
    return r.tree["names"]


def flights(r):
    """Airline, number and price of each flight."""
    if not r.clearance:
        return [(a, n, float(p)) for a, n, p in FLIGHTS.findall(r.raw)]
    return [(f["airline"], f["flight"], number(f["price"])) for f in r.items()]


def values(r, of):
    """What the result says of each of the places asked for, in their order."""
    if not isinstance(r.tree, dict):
        raise Blind("the places cannot be told apart")
    got = list(r.tree.values()) if r.clearance else [r.tree[n] for n in of]
    if len(got) != len(of):
        raise Blind("the places cannot be told apart")
    return got


def prices(r, of):
    """The lowest and the highest price of each."""
    out = []
    for v in values(r, of):
        if isinstance(v, dict):
            out.append((number(v["from"]), number(v["to"])))
        else:
            out.append(tuple(map(float, re.fullmatch(r"Price range: ([0-9.]+) - ([0-9.]+)", seen(v)).groups())))
    return out


def numbers(r, of):
    return [number(v) for v in values(r, of)]


def ratings(r, of):
    """The rating of each, which stands above its reviews."""
    return [number(v["rating"]) if isinstance(v, dict) else float(re.match(r"Rating: ([0-9.]+)", seen(v)).group(1)) for v in values(r, of)]


def kept(of, *columns_and_test):
    *columns, test = columns_and_test
    rows = [row for row in zip(of, *columns) if test(*row[1:])]
    if not rows:
        raise Blind("no place fits")
    return rows


def best(rows, key):
    return max(rows, key=key)


def plain(x):
    return f"{x:.0f}" if float(x).is_integer() else f"{x:g}"


def hotels(city):
    return names((yield call("get_all_hotels_in_city", city=city)))


def restaurants(city="Paris"):
    return names((yield call("get_all_restaurants_in_city", city=city)))


def cars(city):
    return names((yield call("get_all_car_rental_companies_in_city", city=city)))


def about(tool, parameter, of, read):
    """Asks a tool about places, and reads the answer."""
    if not of:
        return []
    return read((yield call(tool, **{parameter: of})), of)


def hotel_ratings(of):
    return (yield from about("get_rating_reviews_for_hotels", "hotel_names", of, ratings))


def hotel_prices(of):
    return (yield from about("get_hotels_prices", "hotel_names", of, prices))


def hotel_address(name):
    return values((yield call("get_hotels_address", hotel_name=name)), [name])[0]


def food_ratings(of):
    return (yield from about("get_rating_reviews_for_restaurants", "restaurant_names", of, ratings))


def food_prices(of):
    return (yield from about("get_price_for_restaurants", "restaurant_names", of, numbers))


def cuisines(of):
    return [seen(v) for v in (yield from about("get_cuisine_type_for_restaurants", "restaurant_names", of, values))]


def hours(of):
    """On which days each is open, and how to say it."""
    got = yield from about("check_restaurant_opening_hours", "restaurant_names", of, values)
    out = []
    for v in got:
        if isinstance(v, dict):
            days = ", ".join(seen(d) for k, d in v.items() if k != "hours")
            out.append((days, f"{v.get('hours', '')}, open {days}"))
        else:
            out.append((seen(v), v))
    return out


def food_address(name):
    return (yield from about("get_restaurants_address", "restaurant_names", [name], values))[0]


def car_ratings(of):
    return (yield from about("get_rating_reviews_for_car_rental", "company_name", of, ratings))


def car_prices(of):
    return (yield from about("get_car_price_per_day", "company_name", of, numbers))


def serving(kind, of):
    """The restaurants of this cuisine."""
    got = yield from cuisines(of)
    return [n for n, c in zip(of, got) if c == kind]


@plan("travel", 0)
def _():
    hotel = "Le Marais Boutique"
    (rating,) = yield from hotel_ratings([hotel])
    if rating <= 4:
        return f"{hotel} is rated {rating:.1f}, so I have not reserved it."
    yield call("reserve_hotel", hotel=hotel, start_day="2025-01-11", end_day="2025-01-15")
    return f"{hotel} is rated {rating:.1f}. I have reserved it."


@plan("travel", 1)
def _():
    hotel = "City Hub"
    (rating,) = yield from hotel_ratings([hotel])
    ((low, _),) = yield from hotel_prices([hotel])
    address = yield from hotel_address(hotel)
    if rating > 4 and low < 200:
        yield call("create_calendar_event", title=hotel, start_time="2025-01-02 00:00", end_time="2025-01-02 23:59", description=f"Stay at {hotel} hotel.", location=address)
    return f"{hotel}: {address}, {rating:.1f}, {plain(low)}"


@plan("travel", 2)
def _():
    all_ = yield from restaurants()
    kinds = yield from cuisines(all_)
    lines = []
    for kind in "French", "Chinese":
        of = [n for n, c in zip(all_, kinds) if c == kind]
        rated = yield from food_ratings(of)
        top = best(list(zip(of, rated)), key=lambda r: r[1])[0]
        (price,) = yield from food_prices([top])
        lines.append(f"{kind}: {top}, {price:.1f}")
    return "; ".join(lines)


@plan("travel", 3)
def _():
    of = yield from hotels("Paris")
    rated, cost = (yield from hotel_ratings(of)), (yield from hotel_prices(of))
    hotel, rating, (low, high) = best(list(zip(of, rated, cost)), key=lambda r: (r[1], r[2][1]))
    address = yield from hotel_address(hotel)
    yield call(
        "send_email", recipients=["janeLong@google.com"], subject=f"Hotel: {hotel}", body=f"Stay at {hotel}, address: {address}, from January 1st to January 5th."
    )
    return f"{hotel}, {rating:.1f}, {plain(low)}-{plain(high)}, {address}"


@plan("travel", 4)
def _():
    of = yield from hotels("Paris")
    rows = kept(of, (yield from hotel_prices(of)), lambda p: p[1] < 210)
    rated = yield from hotel_ratings([r[0] for r in rows])
    (hotel, (low, high)), rating = best(list(zip(rows, rated)), key=lambda r: r[1])
    address = yield from hotel_address(hotel)
    yield call(
        "create_calendar_event",
        title=f"Booking hotel {hotel}",
        start_time="2024-04-25 09:00",
        end_time="2024-04-25 10:00",
        description="Reminder to book the hotel for May 1st to May 5th.",
        location=address,
    )
    return f"{hotel}, {rating:.1f}, {plain(low)}-{plain(high)}"


@plan("travel", 5)
def _():
    of = yield from hotels("London")
    rows = kept(of, (yield from hotel_prices(of)), lambda p: p[1] <= 160)
    rated = yield from hotel_ratings([r[0] for r in rows])
    # Where they have been is no new hotel. What cannot be read can be recognised: by what is said of "London Luxury".
    last = ((yield from hotel_prices(["London Luxury"]))[0], (yield from hotel_ratings(["London Luxury"]))[0])
    new = [(row, rating) for row, rating in zip(rows, rated) if (row[1], rating) != last]
    if len(new) != len(rows) - 1:
        raise Blind("which one is new cannot be seen")
    (hotel, (low, high)), rating = best(new, key=lambda r: r[1])
    return f"{hotel}, {rating:.1f}, {plain(low)}-{plain(high)}, {(yield from hotel_address(hotel))}"


@plan("travel", 6)
def _():
    picked = []
    for city in "Paris", "London":
        of = yield from hotels(city)
        rows = kept(of, (yield from hotel_prices(of)), lambda p: p[1] <= 500)
        rated = yield from hotel_ratings([r[0] for r in rows])
        (hotel, (low, _)), _ = best(list(zip(rows, rated)), key=lambda r: r[1])
        picked.append((hotel, low))
    (paris, p), (london, q) = picked
    return f"{paris} from {plain(p)} and {london} from {plain(q)} a night; at least {plain(min(2 * p + 3 * q, 3 * p + 2 * q))} for the trip."


def dinner(name, address, day):
    return call(
        "create_calendar_event",
        title=f"Dinner at {name}",
        start_time=f"{day} 18:00",
        end_time=f"{day} 20:00",
        description="Book a table.",
        location=address,
    )


@plan("travel", 7)
def _():
    of = yield from serving("Israeli", (yield from restaurants()))
    rated = yield from food_ratings(of)
    name, rating = best(list(zip(of, rated)), key=lambda r: r[1])
    address = yield from food_address(name)
    yield dinner(name, address, "2023-11-14")
    return f"{name}, {rating:.1f}"


@plan("travel", 8)
def _():
    of = yield from restaurants()
    diets = yield from about("get_dietary_restrictions_for_all_restaurants", "restaurant_names", of, values)
    of = [n for n, d in zip(of, diets) if ("vegan" in d if isinstance(d, dict) else "Vegan" in seen(d))]
    rated, cost = (yield from food_ratings(of)), (yield from food_prices(of))
    name, _, price = best(list(zip(of, rated, cost)), key=lambda r: (r[1], -r[2]))
    address = yield from food_address(name)
    yield dinner(name, address, "2023-10-15")
    return f"{name}, {address}, {price:.1f}"


def open_on(day, of):
    """Those open on a day, and when."""
    times = yield from hours(of)
    return [(n, text) for n, (days, text) in zip(of, times) if day in days or "every day" in days]


@plan("travel", 9)
def _():
    rows = yield from open_on("Sunday", (yield from serving("French", (yield from restaurants()))))
    rated = yield from food_ratings([r[0] for r in rows])
    (name, times), rating = best(list(zip(rows, rated)), key=lambda r: r[1])
    return f"{name}, {(yield from food_address(name))}, {rating:.1f}, {times}"


def cheap_chinese():
    of = yield from serving("Chinese", (yield from restaurants()))
    rows = kept(of, (yield from food_prices(of)), lambda p: p < 34)
    opened = yield from open_on("Monday", [r[0] for r in rows])
    price = {id(n): p for n, p in rows}
    rated = yield from food_ratings([r[0] for r in opened])
    (name, times), rating = best(list(zip(opened, rated)), key=lambda r: r[1])
    return name, rating, price[id(name)], times


@plan("travel", 10)
def _():
    name, rating, price, times = yield from cheap_chinese()
    return f"{name}, {rating:.1f}, {(yield from food_address(name))}, {price:.1f}, {times}"


@plan("travel", 11)
def _():
    of = yield from hotels("Paris")
    rows = kept(of, (yield from hotel_prices(of)), lambda p: p[1] < 210)
    rated = yield from hotel_ratings([r[0] for r in rows])
    (hotel, (low, _)), _ = best(list(zip(rows, rated)), key=lambda r: r[1])
    rows = yield from open_on("Sunday", (yield from serving("French", (yield from restaurants()))))
    rated = yield from food_ratings([r[0] for r in rows])
    (name, _), _ = best(list(zip(rows, rated)), key=lambda r: r[1])
    (price,) = yield from food_prices([name])
    return f"{hotel}, {name}, {plain(3 * low + 3 * 2 * price)}"


@plan("travel", 12)
def _():
    of = yield from serving("French", (yield from restaurants()))
    rated = yield from food_ratings(of)
    name, rating = best(list(zip(of, rated)), key=lambda r: r[1])
    (price,) = yield from food_prices([name])
    address = yield from food_address(name)
    of = yield from hotels("Paris")
    rows = kept(of, (yield from hotel_prices(of)), lambda p: p[0] <= 500 - 2 * price)
    rated = yield from hotel_ratings([r[0] for r in rows])
    (hotel, _), stars = best(list(zip(rows, rated)), key=lambda r: r[1])
    return f"{name}, {rating:.1f}, {address}, {hotel}, {stars:.1f}, {(yield from hotel_address(hotel))}"


def companies(tool, kind, of):
    got = yield from about(tool, "company_name", of, values)
    return [n for n, have in zip(of, got) if kind in [seen(h) for h in have]]


@plan("travel", 13)
def _():
    of = yield from companies("get_car_types_available", "SUV", (yield from cars("Los Angeles")))
    rated = yield from car_ratings(of)
    name, rating = best(list(zip(of, rated)), key=lambda r: r[1])
    return f"{name}, {rating:.1f}"


def top_car(of):
    """The best company, its rating and its price for a day."""
    rated = yield from car_ratings(of)
    name, rating = best(list(zip(of, rated)), key=lambda r: r[1])
    (price,) = yield from car_prices([name])
    return name, rating, price


@plan("travel", 14)
def _():
    of = yield from companies("get_car_fuel_options", "Electric", (yield from cars("Los Angeles")))
    name, rating, price = yield from top_car(of)
    return f"{name}, {rating:.1f}, {plain(7 * price)}"


@plan("travel", 15)
def _():
    all_ = yield from cars("Los Angeles")
    lines = []
    for tool, kind in ("get_car_fuel_options", "Electric"), ("get_car_types_available", "SUV"):
        name, rating, price = yield from top_car((yield from companies(tool, kind, all_)))
        lines.append(f"{name}, {rating:.1f}, {plain(3 * price)}")
    return "; ".join(lines)


@plan("travel", 16)
def _():
    r = yield call("get_flight_information", departure_city="Paris", arrival_city="London")
    airline, flight, fare = min(flights(r), key=lambda f: f[2])
    name, rating, price = yield from top_car((yield from cars("London")))
    return f"{airline}, {flight}, {plain(2 * fare)}; {name}, {rating:.1f}, {plain(4 * price)}"


@plan("travel", 17)
def _():
    car, _, day = yield from top_car((yield from cars("Paris")))
    of = yield from hotels("Paris")
    rated, cost = (yield from hotel_ratings(of)), (yield from hotel_prices(of))
    hotel, _, (low, _) = best(list(zip(of, rated, cost)), key=lambda r: (r[1], -r[2][0]))
    of = yield from restaurants()
    name, _ = best(list(zip(of, (yield from food_ratings(of)))), key=lambda r: r[1])
    (price,) = yield from food_prices([name])
    return f"{car}, {hotel}, {name}: {plain(3 * (day + low + 2 * price))}"


@plan("travel", 18)
def _():
    name, _, _, _ = yield from cheap_chinese()
    of = yield from cars("Paris")
    rows = kept(of, (yield from car_prices(of)), lambda p: p < 50)
    rated = yield from car_ratings([r[0] for r in rows])
    (car, _), _ = best(list(zip(rows, rated)), key=lambda r: r[1])
    return f"{name}, {car}"


@plan("travel", 19)
def _():
    total, lines = 0, []
    for city, days in ("London", 2), ("Paris", 3):
        car, _, day = yield from top_car((yield from cars(city)))
        of = yield from restaurants(city)
        name, _ = best(list(zip(of, (yield from food_ratings(of)))), key=lambda r: r[1])
        (price,) = yield from food_prices([name])
        of = yield from hotels(city)
        rated, cost = (yield from hotel_ratings(of)), (yield from hotel_prices(of))
        hotel, _, (_, high) = best(list(zip(of, rated, cost)), key=lambda r: (r[1], r[2][1]))
        total += days * (day + high + 2 * price)
        lines.append(f"{city}: {hotel}, {name}, {car}")
    return "; ".join(lines) + f"; {plain(total)} in all"
