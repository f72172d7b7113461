"""Words on signs (TextVQA's kind of question): one sign or two, whose words are to be read."""
from world_canvas import BACKGROUNDS, SIZE, Canvas, Layer, Question, Thing, font, ink, jitter

WORDS = ("STOP OPEN SALE EXIT TAXI BANK CAFE HOTEL PARK SCHOOL MUSEUM BAKERY PIZZA BOOKS MUSIC COFFEE MARKET GARAGE "
         "CINEMA LIBRARY POLICE STATION AIRPORT BRIDGE CASTLE GARDEN HARBOR ISLAND NORTH SOUTH ORANGE PALACE RIVER "
         "SUNDAY TOWER FLOWERS").split()
TAUGHT = WORDS[::2]  # to the student
BOARDS = ("red", "yellow", "green", "blue", "black", "white")
ONE = ("What does the sign say?", "Which word is written on the sign?")


def of_two(colour):
    return f"What does the {colour} sign say?", f"Which word is on the {colour} sign?"


def board(rng, word, colour, size):
    face = font(rng, size)
    w = int(face.getlength(word)) + rng.randint(14, 30)
    h = int(size * rng.uniform(1.35, 1.8))
    layer = Layer(w, h, (0, 0, 0, 0))
    rounded = rng.choice((0, 0, 8, h // 2))
    layer.block(rng, (0, 0, w - 1, h - 1), colour, rounded=rounded, outline=jitter(rng, (90, 90, 90), 60))
    layer.text(w / 2, h / 2, word, face, ink(rng, colour))
    return layer


def draw(rng):
    background = rng.choice(list(BACKGROUNDS))
    canvas = Canvas(rng, background)
    count = rng.choice((1, 1, 2))
    words, colours = rng.sample(WORDS, count), rng.sample(BOARDS, count)
    for i, (word, colour) in enumerate(zip(words, colours)):
        layer = board(rng, word, colour, rng.randint(30, 40))
        turned = rng.uniform(-7, 7) if rng.random() < 0.5 else 0
        most = 2 * SIZE - 8
        if layer.image.width > most - 10:
            layer = board(rng, word, colour, 28)
        top, room = (0, 2 * SIZE) if count == 1 else (i * SIZE, SIZE)
        x = rng.randint(4, max(4, most - layer.image.width - 4))
        y = top + rng.randint(8, max(8, room - layer.image.height - 24))
        if rng.random() < 0.4:  # its post
            canvas.draw.rectangle((x + layer.image.width / 2 - 4, y, x + layer.image.width / 2 + 4, 2 * SIZE),
                                  fill=jitter(rng, (110, 100, 95), 20))
        canvas.things.append(Thing("sign", word, colour))
        layer.mark(len(canvas.things))
        canvas.paste(layer, (x, y), turned)
    asks = [Question(ONE if count == 1 else of_two(c), w.lower(), w in TAUGHT) for w, c in zip(words, colours)]
    signs = ", ".join(f"{c} sign {w.lower()}" for w, c in zip(words, colours))
    coarse = ", ".join(f"{c} sign" for c in colours)
    return canvas.scene(f"{background}, {signs}", f"{background}, {coarse}", asks, 0,
                        list(BACKGROUNDS).index(background) % 2)
