"""The world's catalogue: categories (COCO's names), colours, and contexts with their usual objects.

A context's numbers are the chances of each category in its scenes. They are the language prior: the
guess of a model that does not look.
"""

from groundtune.records import Record


class Category(Record):
    """A COCO category that has a glyph.

    `unit` is the counting unit if the name has no singular ("pair of" skis). `synonyms` are
    singular.
    """

    name: str
    emoji: str
    plural: str
    synonyms: tuple[str, ...] = ()
    unit: str = ""
    tintable: bool = False


class Context(Record):
    """A kind of place: its background's two names, and the chance of each category in it."""

    name: str
    phrase: str
    """With its article: "a kitchen"."""
    surface: str
    """The background's noun: "wall" or "sky"."""
    prior: dict[str, float]


_ROWS = """
person 🧍 people
bicycle 🚲 bicycles bike
car 🚗 cars automobile *
motorcycle 🏍 motorcycles motorbike
airplane ✈ airplanes plane
bus 🚌 buses *
train 🚆 trains
truck 🚚 trucks lorry *
boat ⛵ boats sailboat *
traffic_light 🚦 traffic_lights
stop_sign 🛑 stop_signs
bird 🐦 birds
cat 🐈 cats
dog 🐕 dogs
horse 🐎 horses
sheep 🐑 sheep
cow 🐄 cows
elephant 🐘 elephants
bear 🐻 bears
zebra 🦓 zebras
giraffe 🦒 giraffes
backpack 🎒 backpacks *
umbrella ☂ umbrellas *
handbag 👜 handbags purse *
tie 👔 ties necktie *
suitcase 🧳 suitcases *
frisbee 🥏 frisbees *
skis 🎿 skis |pair_of
snowboard 🏂 snowboards
sports_ball ⚽ sports_balls ball
kite 🪁 kites
skateboard 🛹 skateboards
surfboard 🏄 surfboards
tennis_racket 🎾 tennis_rackets
bottle 🍼 bottles
wine_glass 🍷 wine_glasses
cup ☕ cups mug *
fork 🍴 forks
knife 🔪 knives
spoon 🥄 spoons
bowl 🥣 bowls
banana 🍌 bananas
apple 🍎 apples *
sandwich 🥪 sandwiches
orange 🍊 oranges
broccoli 🥦 broccoli |head_of
carrot 🥕 carrots
hot_dog 🌭 hot_dogs
pizza 🍕 pizzas
donut 🍩 donuts doughnut
cake 🍰 cakes
chair 🪑 chairs *
couch 🛋 couches sofa *
potted_plant 🪴 potted_plants houseplant
bed 🛏 beds *
toilet 🚽 toilets
tv 📺 tvs television
laptop 💻 laptops
mouse 🖱 mice computer_mouse
keyboard ⌨ keyboards
cell_phone 📱 cell_phones phone
book 📕 books *
clock 🕐 clocks
vase 🏺 vases *
scissors ✂ scissors |pair_of
teddy_bear 🧸 teddy_bears
toothbrush 🪥 toothbrushes
"""
# name, glyph, plural, synonyms, "*" where it can be tinted, "|unit" where it has no singular.


def _category(row: str) -> Category:
    name, emoji, plural, *rest = (word.replace("_", " ") for word in row.split())
    synonyms = tuple(word for word in rest if word != "*" and not word.startswith("|"))
    unit = next((word[1:] for word in rest if word.startswith("|")), "")
    return Category(
        name=name, emoji=emoji, plural=plural, synonyms=synonyms, unit=unit, tintable="*" in rest
    )


CATEGORIES: dict[str, Category] = {c.name: c for c in map(_category, _ROWS.split("\n")[1:-1])}

COLOURS: dict[str, int] = {
    "red": 0,
    "orange": 28,
    "yellow": 54,
    "green": 125,
    "blue": 215,
    "purple": 285,
}
"""Hue of each tint, in degrees."""

BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "white": (236, 234, 228),
    "blue": (150, 190, 240),
    "pink": (244, 182, 196),
    "green": (168, 214, 150),
    "yellow": (246, 222, 140),
    "grey": (166, 168, 172),
}
"""RGB of a wall or sky."""

_PRIORS = """
kitchen|a kitchen|wall|cup .7 knife .55 spoon .45 bowl .4 fork .3 bottle .25 banana .2 apple .2 person .15 clock .12 carrot .1
living room|a living room|wall|couch .7 tv .55 potted plant .45 book .35 cat .3 vase .25 chair .2 clock .15 teddy bear .1 person .1
bedroom|a bedroom|wall|bed .75 clock .5 book .4 teddy bear .35 laptop .25 cell phone .2 cat .2 chair .15 backpack .1
office|an office|wall|laptop .65 keyboard .55 mouse .5 chair .35 cell phone .3 cup .25 book .2 tie .15 clock .12 potted plant .1
bathroom|a bathroom|wall|toilet .75 toothbrush .6 cup .35 scissors .3 bottle .25 vase .15 potted plant .15 clock .1
restaurant|a restaurant|wall|wine glass .6 pizza .55 fork .45 person .4 chair .3 knife .25 cake .25 bottle .2 sandwich .15 hot dog .12
street|a street|sky|car .7 traffic light .6 person .45 bus .35 bicycle .3 stop sign .25 truck .25 motorcycle .2 dog .15
park|a park|sky|dog .65 bicycle .5 frisbee .45 person .4 bird .35 kite .25 sports ball .25 skateboard .2 horse .1
beach|a beach|sky|umbrella .65 surfboard .6 person .5 boat .35 bird .3 kite .25 sports ball .2 frisbee .15 dog .12
farm|a farm|sky|cow .7 sheep .55 horse .5 truck .3 dog .25 bird .25 apple .15 carrot .15 person .12
savanna|a savanna|sky|elephant .65 giraffe .55 zebra .55 bird .35 bear .15 person .1 truck .1
airport|an airport|sky|airplane .75 suitcase .6 person .4 backpack .35 bus .3 truck .2 handbag .2 cell phone .1
ski slope|a ski slope|sky|skis .7 snowboard .55 person .5 backpack .3 bird .15 bear .15 dog .1
train station|a train station|sky|train .75 suitcase .5 person .45 backpack .35 clock .35 handbag .25 umbrella .2 bicycle .12
market|a market|wall|orange .6 apple .55 banana .5 broccoli .4 carrot .35 person .3 handbag .25 donut .2 sandwich .12
harbor|a harbor|sky|boat .75 bird .55 person .4 bicycle .25 truck .2 suitcase .15 dog .12 kite .1
"""


def _context(row: str) -> Context:
    name, phrase, surface, prior = row.split("|")
    words = prior.split(" ")
    starts = [i for i, word in enumerate(words) if word.startswith(".")]
    table: dict[str, float] = {}
    begin = 0
    for i in starts:
        table[" ".join(words[begin:i])] = float(words[i])
        begin = i + 1
    return Context(name=name, phrase=phrase, surface=surface, prior=table)


CONTEXTS: dict[str, Context] = {c.name: c for c in map(_context, _PRIORS.split("\n")[1:-1])}

LOOK_ALIKES: tuple[tuple[str, ...], ...] = (
    ("horse", "zebra", "giraffe", "cow", "sheep"),
    ("dog", "cat", "bear", "teddy bear"),
    ("cup", "bowl", "vase", "bottle", "wine glass"),
    ("fork", "knife", "spoon", "toothbrush", "scissors"),
    ("apple", "orange", "sports ball", "frisbee"),
    ("car", "bus", "truck", "train"),
    ("bicycle", "motorcycle"),
    ("chair", "couch", "bed", "toilet"),
    ("tv", "laptop", "keyboard", "cell phone", "book"),
    ("backpack", "handbag", "suitcase"),
    ("boat", "surfboard", "kite", "umbrella"),
    ("skis", "snowboard", "skateboard"),
    ("banana", "carrot", "hot dog"),
    ("donut", "cake", "pizza", "sandwich"),
    ("bird", "airplane"),
    ("traffic light", "stop sign", "clock"),
)
"""Categories that are taken for each other where an image shows little of them."""

CELLS: tuple[str, ...] = (
    "in the top left corner",
    "at the top",
    "in the top right corner",
    "on the left",
    "in the middle",
    "on the right",
    "in the bottom left corner",
    "at the bottom",
    "in the bottom right corner",
)
"""The nine places of an image, row by row."""

NUMBERS: tuple[str, ...] = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
)
