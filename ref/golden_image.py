#!/usr/bin/env python3
"""Writes golden/image: pictures of many kinds with what Pillow makes of them (decode), broken ones with
Pillow's verdict (broken), Pillow's resize (resize), and pictures turned by EXIF (exif)."""
import io, struct, zlib

import numpy as np
from PIL import Image, ImageOps

from common import SEED, encoded, picture, rgb_of, save, save_json


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# Adam7's seven pictures: where they begin, and the steps between their pixels.
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
SIGNATURE, END = b"\x89PNG\r\n\x1a\n", chunk(b"IEND", b"")


def header(width, height, depth, colour, interlace=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))


def png(width, height, depth, colour, rows, extra=b"", interlace=0):
    """A PNG file from rows that are filtered already."""
    data = chunk(b"IDAT", zlib.compress(rows, 9))
    return SIGNATURE + header(width, height, depth, colour, interlace) + extra + data + END


def plain(rows):
    return b"".join(b"\0" + bytes(r) for r in rows)


def filtered(rows, step):
    """Every row by a filter of its own, all five in turn, as the PNG specification defines them."""
    out, up = b"", [0] * len(rows[0])
    for n, row in enumerate(rows):
        row, kind, line = [int(v) for v in row], n % 5, []
        for i, v in enumerate(row):
            a, b, c = (row[i - step] if i >= step else 0), up[i], (up[i - step] if i >= step else 0)
            p = a + b - c
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            line.append((v - (0, a, b, (a + b) // 2, paeth)[kind]) % 256)
        out, up = out + bytes([kind]) + bytes(line), row
    return out


def interlaced(width, height, pixel, bits):
    """Adam7, no filter: pixel(x, y) is a tuple of samples of `bits` bits."""
    out = b""
    for x0, y0, dx, dy in ADAM7:
        for y in range(y0, height, dy):
            samples = [s for x in range(x0, width, dx) for s in pixel(x, y)]
            if samples:
                text = "".join(format(s, f"0{bits}b") for s in samples)
                text += "0" * (-len(text) % 8)
                out += b"\0" + bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8))
    return out


class Samples:
    """Random samples in one sequence: the order of the calls below decides what every case holds."""

    def __init__(self, seed):
        self.r = np.random.default_rng(seed)

    def bytes(self, *shape):
        return self.r.integers(0, 256, shape, dtype=np.uint8)

    def big_endian(self, *shape):
        return self.r.integers(0, 65536, shape).astype(">u2")

    def bits(self, bits):
        """5 rows of 11 samples of so many bits."""
        return plain(self.bytes(5, (11 * bits + 7) // 8))


def wide(x):
    """Rows of 16-bit samples."""
    return plain([row.tobytes() for row in x])


def numbers(*values):
    return struct.pack(f">{len(values)}H", *values)


def palette_of(colours):
    return chunk(b"PLTE", colours)


def key_of(data):
    """The colour that is transparent, or how opaque each colour of the palette is."""
    return chunk(b"tRNS", data)


def png_cases(r):
    a, grey16 = r.bytes(9, 13), r.big_endian(7, 11)
    grey16[::2] //= 200
    palette = palette_of(r.bytes(10 * 3).tobytes())
    yield from written_by_pillow(r, a)
    yield from few_bits(r)
    yield from palettes(r, palette)
    yield from keys()
    yield from sixteen_bits(r, grey16)
    yield from filters(r)
    yield from interlaces(r)
    yield from chunks(r)


def written_by_pillow(r, a):
    rgb = picture(SEED, 37, 23)
    yield "rgb", encoded(rgb, "PNG")
    yield "one-pixel", encoded(rgb.crop((0, 0, 1, 1)), "PNG")
    yield "one-wide", encoded(rgb.crop((3, 0, 4, 23)), "PNG")
    yield "one-high", encoded(rgb.crop((0, 5, 37, 6)), "PNG")
    yield "grey", encoded(rgb.convert("L"), "PNG")
    yield "grey-alpha", encoded(Image.fromarray(np.stack([a, a[::-1]], -1), "LA"), "PNG")
    yield "rgb-alpha", encoded(Image.fromarray(r.bytes(9, 13, 4), "RGBA"), "PNG")
    yield "palette", encoded(rgb.quantize(29), "PNG")
    yield "one-bit", encoded(rgb.convert("1"), "PNG")


def few_bits(r):
    for bits in (1, 2, 4):
        yield f"grey-{bits}", png(11, 5, bits, 0, r.bits(bits))
        yield f"palette-{bits}", png(11, 5, bits, 3, r.bits(bits), palette_of(r.bytes(3 << bits).tobytes()))
        yield f"grey-{bits}-key-0", png(11, 5, bits, 0, r.bits(bits), key_of(numbers(0)))
        yield f"grey-{bits}-key-1", png(11, 5, bits, 0, r.bits(bits), key_of(numbers(1)))


def palettes(r, palette):
    up, down = range(10), range(9, -1, -1)
    alpha = key_of(r.bytes(7).tobytes())
    yield "palette-alpha", png(10, 3, 8, 3, plain([up, down, [0] * 10]), palette + alpha)
    yield "palette-key", png(10, 3, 8, 3, plain([up, down, [4] * 10]), palette + key_of(b"\xff\xff\0"))
    yield "palette-outside", png(4, 1, 8, 3, plain([[0, 9, 10, 255]]), palette)


def keys():
    yield "grey-key", png(4, 2, 8, 0, plain([[0, 5, 6, 7], [5, 5, 0, 255]]), key_of(numbers(5)))
    rows = plain([[0, 5, 6, 7, 8, 9], [7, 8, 9, 7, 8, 10]])
    yield "rgb-key", png(2, 2, 8, 2, rows, key_of(numbers(7, 8, 9)))
    yield "rgb-key-high", png(2, 1, 8, 2, plain([[0, 5, 6, 7, 8, 9]]), key_of(numbers(0x107, 8, 9)))


def sixteen_bits(r, grey16):
    yield "grey-16", png(11, 7, 16, 0, wide(grey16))
    for key in (200, 255, 300):
        rows = plain([numbers(0, 200, 255, 300, 44, 65535)])
        yield f"grey-16-key-{key}", png(6, 1, 16, 0, rows, key_of(numbers(key)))
    yield "grey-alpha-16", png(5, 7, 16, 4, wide(r.big_endian(7, 5, 2)))
    yield "rgb-16", png(5, 7, 16, 2, wide(r.big_endian(7, 5, 3)))
    rows = plain([numbers(0x12FF, 0x34AA, 0x5601, 0x12, 0x34, 0x56, 1, 2, 3)])
    yield "rgb-16-key", png(3, 1, 16, 2, rows, key_of(numbers(0x12, 0x34, 0x56)))
    yield "rgb-alpha-16", png(5, 7, 16, 6, wide(r.big_endian(7, 5, 4)))


def filters(r):
    yield "filters", png(7, 12, 8, 2, filtered(r.bytes(12, 21), 3))
    yield "filters-16", png(3, 11, 16, 6, filtered(r.bytes(11, 24), 8))
    yield "filters-1", png(19, 11, 1, 0, filtered(r.bytes(11, 3), 1))


def interlaces(r):
    for w, h in ((1, 1), (3, 2), (9, 11)):
        x = r.bytes(h, w, 3)
        rows = interlaced(w, h, lambda i, j: [int(v) for v in x[j, i]], 8)
        yield f"interlaced-{w}x{h}", png(w, h, 8, 2, rows, interlace=1)
    x = r.bytes(10, 13)
    rows = interlaced(13, 10, lambda i, j: [int(x[j, i]) & 3], 2)
    yield "interlaced-2", png(13, 10, 2, 0, rows, interlace=1)


def chunks(r):
    rows = plain(r.bytes(6, 12))
    packed = zlib.compress(rows)
    data = b"".join(chunk(b"IDAT", packed[i:i + 5]) for i in range(0, len(packed), 5))
    yield "many-chunks", SIGNATURE + header(4, 6, 8, 2) + data + chunk(b"tEXt", b"a\0b") + END
    others = chunk(b"gAMA", struct.pack(">I", 30000)) + chunk(b"tEXt", b"key\0text") + chunk(b"abCd", b"private")
    yield "ancillary", png(4, 6, 8, 2, rows, others)


def jpeg_cases():
    rgb, big = picture(SEED + 1, 67, 45), picture(SEED + 2, 96, 64)
    yield "444", encoded(rgb, "JPEG", quality=90, subsampling=0)
    yield "422", encoded(rgb, "JPEG", quality=85, subsampling=1)
    yield "420", encoded(rgb, "JPEG", quality=75, subsampling=2)
    yield "420-even", encoded(big, "JPEG", quality=75, subsampling=2)
    yield "progressive", encoded(rgb, "JPEG", quality=80, progressive=True)
    yield "grey", encoded(rgb.convert("L"), "JPEG", quality=80)
    yield "one-pixel", encoded(rgb.crop((0, 0, 1, 1)), "JPEG")
    yield "one-wide", encoded(rgb.crop((0, 0, 1, 45)), "JPEG")
    yield "optimised", encoded(rgb, "JPEG", quality=95, optimize=True)
    yield "restart", encoded(rgb, "JPEG", quality=80, restart_marker_blocks=2)
    yield "cmyk", encoded(rgb.convert("CMYK"), "JPEG", quality=90)
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "rotated", encoded(rgb, "JPEG", quality=80, exif=exif)
    yield "after-the-end", encoded(rgb, "JPEG", quality=80) + b"\xff\xd9\xff\xd8 more"


def decode():
    cases = [("png/" + n, d) for n, d in png_cases(Samples(SEED))] + [("jpeg/" + n, d) for n, d in jpeg_cases()]
    tensors = {}
    for name, data in cases:
        tensors[name + "/file"] = np.frombuffer(data, np.uint8)
        tensors[name + "/rgb"] = rgb_of(data)
    save("image/decode", tensors, {"cases": [name for name, _ in cases]})


# Where we refuse what Pillow reads, and why.
STRICTER = {"png-short-data": "Pillow leaves the missing rows black",
            "png-long-data": "Pillow stops at the last row; data may inflate without end",
            "png-cut-sum": "Pillow does not miss the sum when all rows are there",
            "png-no-palette": "Pillow shows it black"}


def broken_png(rows):
    good = png(7, 5, 8, 2, rows)
    at = good.index(b"IDAT")
    size = struct.unpack(">I", good[at - 4:at])[0]

    def flipped(i):
        b = bytearray(good)
        b[i] ^= 1
        return bytes(b)

    yield "png-good", good
    yield "png-empty", b""
    yield "png-cut-signature", good[:7]
    yield "png-cut-header", good[:20]
    yield "png-cut-before-data", good[:33]
    yield "png-cut-in-data", good[:at + 4 + size // 2]
    yield "png-cut-sum", good[:at + 4 + size - 2]
    yield "png-cut-before-end", good[:-12]
    yield "png-cut-in-end", good[:-5]
    yield "png-header-checksum", flipped(30)
    yield "png-text-checksum", good[:33] + chunk(b"tEXt", b"a\0x")[:-1] + b"?" + good[33:]
    yield "png-data-flipped", flipped(at + 4 + size // 2)
    yield "png-data-checksum", flipped(at + 4 + size)
    yield "png-sum-flipped", flipped(at + 4 + size - 1)
    yield "png-zero-wide", SIGNATURE + header(0, 5, 8, 2) + good[33:]
    yield "png-zero-high", SIGNATURE + header(7, 0, 8, 2) + good[33:]
    yield "png-huge", SIGNATURE + header(65535, 65535, 8, 2) + good[33:]
    yield "png-negative", SIGNATURE + header(0xFFFFFFFF, 5, 8, 2) + good[33:]
    yield "png-short-data", png(7, 9, 8, 2, rows)
    yield "png-long-data", png(7, 2, 8, 2, rows)
    yield "png-bad-filter", png(7, 5, 8, 2, b"\x09" + rows[1:])
    yield "png-bad-depth", png(7, 5, 4, 2, rows)
    yield "png-bad-colour", png(7, 5, 8, 5, rows)
    yield "png-bad-interlace", png(7, 5, 8, 2, rows, interlace=2)
    yield "png-no-palette", png(21, 5, 8, 3, rows)
    yield "png-no-data", SIGNATURE + header(7, 5, 8, 2) + END
    yield "png-trailing", good + b"something else"
    yield "png-length-wraps", good[:33] + b"\xff\xff\xff\xfftEXt" + good[33:]


def broken_jpeg():
    jpeg = encoded(picture(SEED, 40, 30), "JPEG", quality=80)
    progressive = encoded(picture(SEED, 40, 30), "JPEG", quality=80, progressive=True)
    frame = jpeg.index(b"\xff\xc0")
    yield "jpeg-good", jpeg
    yield "jpeg-cut-quarter", jpeg[:len(jpeg) // 4]
    yield "jpeg-cut-half", jpeg[:len(jpeg) // 2]
    yield "jpeg-cut-data", jpeg[:-20]
    yield "jpeg-cut-end", jpeg[:-2]
    yield "jpeg-cut-in-end", jpeg[:-1]
    yield "jpeg-progressive-cut", progressive[:len(progressive) * 2 // 3]
    yield "jpeg-start-alone", jpeg[:3]
    yield "jpeg-zero-wide", jpeg[:frame + 7] + b"\0\0" + jpeg[frame + 9:]
    yield "jpeg-zero-high", jpeg[:frame + 5] + b"\0\0" + jpeg[frame + 7:]
    yield "jpeg-12-bits", jpeg[:frame + 4] + b"\x0c" + jpeg[frame + 5:]
    table = b"\x10" + bytes([17] * 16) + bytes(272)
    yield "jpeg-table-too-large", jpeg[:frame] + b"\xff\xc4" + struct.pack(">H", len(table) + 2) + table + jpeg[frame:]
    yield "jpeg-two-frames", jpeg[:frame] + jpeg[frame:frame + 19] + jpeg[frame:]
    yield "jpeg-trailing", jpeg + b"something else"


def other_formats(noise):
    for kind in ("GIF", "BMP", "TIFF", "WEBP"):
        yield kind.lower(), encoded(picture(SEED, 4, 4), kind)
    yield "web-page", b"<!DOCTYPE html><html><body>404</body></html>"
    yield "git-lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1234\n"
    yield "noise", noise


def broken_cases():
    r = Samples(SEED)
    png_files = list(broken_png(plain(r.bytes(5, 21))))
    jpeg_files = list(broken_jpeg())
    yield from png_files[:1] + jpeg_files[:1] + png_files[1:] + jpeg_files[1:]
    yield from other_formats(r.bytes(100).tobytes())


def broken():
    out = []
    for name, data in broken_cases():
        try:
            with Image.open(io.BytesIO(data)) as image:
                image.convert("RGB")
            pillow = "reads it"
        except Exception as e:
            pillow = type(e).__name__
        other = name in ("gif", "bmp", "tiff", "webp")
        accept = pillow == "reads it" and not other and name not in STRICTER
        row = {"name": name, "file": data.hex(), "pillow": pillow, "accept": accept}
        if name in STRICTER:
            row["why"] = STRICTER[name]
            assert pillow == "reads it", name
        out.append(row)
    save_json(out, "golden", "image", "broken.json", indent=0)
    print(f"golden/image/broken.json: {len(out)} files, {sum(r['accept'] for r in out)} to be read")


def resize():
    tensors, cases = {}, []
    for n, (w, h) in enumerate([(37, 23), (1, 29), (31, 1), (1, 1), (64, 48)]):
        image = picture(SEED + 10 + n, w, h)
        if n == 4:  # hard edges: filters overshoot and are clipped
            x = np.asarray(image).copy()
            x[10:20, 5:50], x[30:33], x[:, 40] = 255, 0, (255, 0, 128)
            image = Image.fromarray(x)
        tensors[f"{n}"] = np.asarray(image)
        for ow, oh in [(w, h), (w * 2 + 1, h * 3), (28, 28), (5, 3), (1, 1), (w, 7), (53, h), (112, 84)]:
            for kind, number in (("bicubic", Image.Resampling.BICUBIC), ("lanczos", Image.Resampling.LANCZOS)):
                name = f"{n}/{ow}x{oh}/{kind}"
                tensors[name] = np.asarray(image.resize((ow, oh), number))
                cases.append({"in": f"{n}", "out": name, "filter": kind})
    save("image/resize", tensors, {"cases": cases})


def tiff(orientation, order):
    """EXIF data that hold an orientation and, before it, another tag; order: "<" or ">"."""
    entries = struct.pack(order + "HHIHH", 0x0100, 3, 1, 7, 0) + struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return struct.pack(order + "2sHIH", b"II" if order == "<" else b"MM", 42, 8, 2) + entries + bytes(4)


def exif_cases():
    pixels = np.asarray(picture(SEED + 30, 5, 3))
    rows = plain(pixels.reshape(3, 15))
    before = png(5, 3, 8, 2, rows)
    yield "png-none", before
    for o in range(1, 10):
        yield f"png-{o}", png(5, 3, 8, 2, rows, extra=chunk(b"eXIf", tiff(o, "<>"[o % 2])))
    yield "png-behind", before[:-len(END)] + chunk(b"eXIf", tiff(6, "<")) + END
    for o in range(1, 9):
        yield f"jpeg-{o}", encoded(picture(SEED + 31, 16, 8), "JPEG", quality=30, exif=b"Exif\0\0" + tiff(o, "><"[o % 2]))


def exif():
    """Of JPEG files the size alone: decoders differ by a few levels."""
    out = []
    for name, data in exif_cases():
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        row = {"name": name, "file": data.hex(), "width": upright.width, "height": upright.height}
        if name.startswith("png"):
            row["rgb"] = upright.tobytes().hex()
        out.append(row)
    save_json(out, "golden", "image", "exif.json", indent=0)


if __name__ == "__main__":
    decode()
    broken()
    resize()
    exif()
