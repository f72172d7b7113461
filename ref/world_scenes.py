"""Numbers and names in street and shop scenes (ST-VQA's kind of question): a shop with its name, its number and
a price; a bus with its line and where it goes."""
from world_canvas import SIZE, COLOURS, TAUGHT_DIGITS, Canvas, Question, font, ink, jitter

NAMES = ("ANNA BRUNO CARLA DAVID ELENA FRANK GRETA HUGO IRIS JONAS KAREN LARS MARIA NINA OSCAR PAULA ROSA SIMON "
         "TERESA VICTOR").split()
PLACES = "PARIS ROME OSLO BERN LIMA CAIRO DELHI TOKYO MADRID DUBLIN VIENNA SOFIA".split()
TAUGHT = NAMES[::2] + PLACES[::2]  # to the student
PAINTS = ("red", "yellow", "green", "blue", "white")
QUESTIONS = {
    "name": ("What is the name of the shop?", "Which name is on the shop?"),
    "number": ("What is the number of the house?", "Which number is on the house?"),
    "price": ("How many dollars does it cost?", "What is the price in the window?"),
    "line": ("What is the number of the bus?", "Which line is this bus?"),
    "place": ("Where does the bus go?", "What is the destination of the bus?"),
}


def ask(role, text):
    return Question(QUESTIONS[role], text.title(), text in TAUGHT or TAUGHT_DIGITS.issuperset(text))


def number(rng):
    return rng.randint(10, 99)


def plate(canvas, rng, x, y, role, text, colour, size):
    """Text on a small board of its own."""
    face = font(rng, size)
    w, h = face.getlength(text) / 2 + rng.randint(4, 8), size * rng.uniform(0.55, 0.7)
    canvas.block(rng, (x - w, y - h, x + w, y + h), colour, outline=jitter(rng, (70, 70, 70), 40))
    canvas.text(x, y, text, face, ink(rng, colour))
    canvas.thing((x - w, y - h, x + w, y + h), role, text.lstrip("$"), colour)


def draw_shop(rng, paint):
    canvas = Canvas(rng, "", rng.choice(((150, 195, 235), (205, 215, 225), (60, 65, 95))))
    d, s = canvas.draw, 2 * SIZE
    top = rng.randint(6, 26)
    d.rectangle((6, top, s - 6, s - 12), fill=jitter(rng, rng.choice(((200, 170, 140), (170, 120, 95), (190, 190, 180))), 14))
    d.rectangle((0, s - 12, s, s), fill=jitter(rng, (120, 120, 120), 15))
    name, house, price = rng.choice(NAMES), number(rng), number(rng)
    size = rng.randint(30, 37)
    y = top + 8 + size * 0.7
    plate(canvas, rng, s / 2 + rng.randint(-14, 14), y, "name", name, paint, size)
    stripes = jitter(rng, COLOURS[rng.choice(("red", "green", "blue"))], 18)
    awning = y + size * 0.7 + 6
    for i, x in enumerate(range(8, s - 20, 14)):
        d.polygon((x + 4, awning, x + 18, awning, x + 14, awning + 18, x, awning + 18),
                  fill=stripes if i % 2 else jitter(rng, (240, 240, 235), 8))
    left = rng.random() < 0.5  # the door
    door = (18, awning + 30, 84, s - 12) if left else (s - 84, awning + 30, s - 18, s - 12)
    pane = (100, awning + 26, s - 16, s - 28) if left else (16, awning + 26, s - 100, s - 28)
    d.rectangle(door, fill=jitter(rng, (95, 65, 45), 20))
    d.rectangle(pane, fill=jitter(rng, (175, 205, 215), 18), outline=jitter(rng, (80, 80, 80), 20), width=3)
    plate(canvas, rng, (door[0] + door[2]) / 2, door[1] + rng.randint(24, 50), "number", str(house), rng.choice(("white", "blue", "black")),
          rng.randint(28, 35))
    plate(canvas, rng, (pane[0] + pane[2]) / 2 + rng.randint(-12, 12), (pane[1] + pane[3]) / 2 + rng.randint(-12, 12),
          "price", f"${price}", rng.choice(("yellow", "white", "red")), rng.randint(28, 35))
    asks = [ask("name", name), ask("number", str(house)), ask("price", str(price))]
    return canvas, f"{paint} shop {name.title()}, number {house}, price {price}", f"{paint} shop", asks


def draw_bus(rng, paint):
    canvas = Canvas(rng, "", rng.choice(((150, 195, 235), (205, 215, 225), (60, 65, 95))))
    d, s = canvas.draw, 2 * SIZE
    d.rectangle((0, s - 50, s, s), fill=jitter(rng, (105, 105, 110), 15))
    x, y = rng.randint(4, 20), rng.randint(20, 60)
    w, h = s - x - rng.randint(4, 20), rng.randint(124, 140)
    canvas.block(rng, (x, y, x + w, y + h), paint, rounded=12)
    line, place = number(rng), rng.choice(PLACES)
    for i in range(4):
        a = x + 10 + i * (w - 16) / 4
        d.rectangle((a, y + 50, a + (w - 60) / 4, y + 82), fill=jitter(rng, (170, 200, 215), 15))
    for at in (0.2, 0.8):
        d.ellipse((x + w * at - 18, y + h - 16, x + w * at + 18, y + h + 20), fill=(25, 25, 25), outline=(120, 120, 120), width=4)
    plate(canvas, rng, x + w / 2 + rng.randint(-14, 14), y + 25, "place", place, rng.choice(("black", "white", "blue")), rng.randint(28, 35))
    plate(canvas, rng, x + w / 2 + rng.randint(-40, 40), y + 106, "line", str(line), rng.choice(("black", "white", "yellow")),
          rng.randint(29, 38))
    asks = [ask("line", str(line)), ask("place", place)]
    return canvas, f"{paint} bus {line} to {place.title()}", f"{paint} bus", asks


def draw(rng):
    paint = rng.choice(PAINTS)
    canvas, dense, coarse, asks = (draw_shop if rng.random() < 0.6 else draw_bus)(rng, paint)
    n = PAINTS.index(paint)
    return canvas.scene(dense, coarse, asks, n % len(asks), n // 3)
