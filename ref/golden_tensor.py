#!/usr/bin/env python3
"""Writes golden/tensor: headers.json: small safetensors files, whole and broken, each with the verdict of the
reference implementation (package safetensors) on it. Rows without "file" are built by
tests/tensor/safetensors_test.c, as they are too large to keep."""
import struct

import safetensors

from common import save_json

E = '{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
ONE = '{"a":%s}' % E
DATA = struct.pack("<2f", 1.5, -2.5)


def file(header, data=DATA, length=None):
    h = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(h) if length is None else length) + h + data


def entry(dtype="F32", shape="[2]", offsets="[0,8]"):
    return '{"a":{"dtype":"%s","shape":%s,"data_offsets":%s}}' % (dtype, shape, offsets)


def two(first, a, b, second, c, d):
    """Two tensors of one number, with their names and offsets."""
    one = '"%s":{"dtype":"F32","shape":[1],"data_offsets":[%d,%d]}'
    return "{%s,%s}" % (one % (first, a, b), one % (second, c, d))


def cases():
    yield from cut_or_not_json()
    yield from bad_entries()
    yield from other_formats()
    yield from accepted()
    yield from types()


def cut_or_not_json():
    yield "empty", b""
    yield "seven-bytes", b"\x02\0\0\0\0\0\0"
    yield "length-beyond-file", file(ONE, length=len(ONE) + 9)
    yield "length-2^64-1", file(ONE, length=2**64 - 1)
    yield "length-2^64-8", file(ONE, length=2**64 - 8)
    yield "length-0", file("", DATA)
    yield "not-utf-8", file(b'{"\xff":' + E.encode() + b"}")
    yield "not-json", file("hello, world")
    yield "array-at-top", file("[%s]" % E)
    yield "cut-json", file(ONE[:-1])
    yield "trailing-bytes", file(ONE, DATA + b"\0")
    yield "short-data", file(ONE, DATA[:-1])
    yield "no-data", file(ONE, b"")


def bad_entries():
    yield "hole", file(two("a", 0, 4, "b", 8, 12), DATA + b"\0\0\0\0")
    yield "hole-at-start", file(entry(offsets="[4,12]"), DATA + b"\0\0\0\0")
    yield "overlap", file(two("a", 0, 4, "b", 2, 6), DATA[:6])
    yield "alias", file(two("a", 0, 4, "b", 0, 4), DATA[:4])
    yield "begin-after-end", file(entry(offsets="[8,0]"))
    yield "negative-offset", file(entry(offsets="[-8,0]"))
    yield "offset-not-integer", file(entry(offsets="[0,8.0]"))
    yield "shape-size-mismatch", file(entry(shape="[3]"))
    yield "shape-overflow", file(entry(shape="[4294967296,4294967296,4294967296]"))
    yield "shape-size-wraps", file(entry(shape="[4611686018427387906]"))
    yield "offsets-wrap", file(entry(offsets="[18446744073709551612,8]"))
    yield "negative-dim", file(entry(shape="[-2]"))
    yield "float-dim", file(entry(shape="[2.0]"))
    yield "shape-missing", file('{"a":{"dtype":"F32","data_offsets":[0,8]}}')
    yield "shape-null", file(entry(shape="null"))
    yield "unknown-dtype", file(entry(dtype="F33"))
    yield "small-dtype", file(entry(dtype="f32"))
    yield "dtype-missing", file('{"a":{"shape":[2],"data_offsets":[0,8]}}')
    yield "offsets-missing", file('{"a":{"dtype":"F32","shape":[2]}}')
    yield "one-offset", file(entry(offsets="[8]"))
    yield "three-offsets", file(entry(offsets="[0,8,8]"))
    yield "duplicate-name", file(two("a", 0, 4, "a", 4, 8))
    yield "tensor-null", file('{"a":null}', b"")
    yield "metadata-not-string", file('{"__metadata__":{"n":1},"a":%s}' % E)
    yield "metadata-list", file('{"__metadata__":["n"],"a":%s}' % E)
    yield "garbage-after-json", file(ONE + " x")
    yield "nul-after-json", file(ONE + "\0")
    yield "control-character", file('{"a\x01":%s}' % E)
    yield "lone-surrogate", file('{"a\\ud800":%s}' % E)
    yield "byte-order-mark", file(b"\xef\xbb\xbf" + ONE.encode())
    yield "data-without-tensor", file("{}", DATA)
    yield "overflow-before-zero", file(entry(shape="[4611686018427387904,4,0]", offsets="[0,0]"), b"")
    yield "four-bits-odd", file(entry(dtype="F4", shape="[3]", offsets="[0,2]"), b"\0\0")


def other_formats():
    yield "git-lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"1" * 64 + b"\nsize 12345\n"
    yield "web-page", b"\n<!DOCTYPE html>\n<html><body>Not found</body></html>\n"
    yield "zip", b"PK\x03\x04" + b"\0" * 60


def accepted():
    yield "plain", file(ONE)
    yield "no-tensor", file("{}", b"")
    yield "metadata-only", file('{"__metadata__":{"format":"pt"}}', b"")
    yield "metadata-null", file('{"__metadata__":null,"a":%s}' % E)
    yield "brace-in-metadata", file('{"__metadata__":{"x":"}{\\"[","y":"\\u0000"},"a":%s}' % E)
    yield "rank-9", file(entry(shape="[1,1,1,2,1,1,1,1,1]"))
    yield "scalar", file(entry(shape="[]", offsets="[0,4]"), DATA[:4])
    yield "zero-dim", file(entry(shape="[3,0,2]", offsets="[0,0]"), b"")
    yield "zero-dim-huge", file(entry(shape="[0,4611686018427387904]", offsets="[0,0]"), b"")
    none = '"b":{"dtype":"I8","shape":[0],"data_offsets":[8,8]},"c":{"dtype":"I64","shape":[2,0],"data_offsets":[0,0]}'
    yield "zero-size-shares-offset", file('{"a":%s,%s}' % (E, none))
    yield "escaped-name", file('{"a\\u00e9\\n\\"b":%s}' % E)
    yield "empty-name", file('{"":%s}' % E)
    yield "trailing-spaces", file(ONE + " \n\t\r")
    yield "leading-spaces", file("  \n" + ONE)
    yield "long-name", file('{"%s":%s}' % ("n" * 300, E))
    yield "unordered-names", file(two("z", 4, 8, "b", 0, 4))
    unaligned = '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}}'
    yield "unaligned", file(unaligned, b"\0" + DATA)
    yield "unknown-field", file('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"note":[1.5,{"y":null}]}}')


def types():
    bits_of = dict(F64=64, I64=64, U64=64, C64=64, I32=32, U32=32, F16=16, BF16=16, I16=16, U16=16, I8=8, U8=8, BOOL=8,
                   F8_E4M3=8, F8_E5M2=8, F8_E8M0=8, F8_E4M3FNUZ=8, F8_E5M2FNUZ=8, F6_E2M3=6, F6_E3M2=6, F4=4)
    for t, bits in bits_of.items():
        yield "type-" + t, file(entry(dtype=t, shape="[4]", offsets=f"[0,{bits // 2}]"), b"\0" * (bits // 2))


def built_in_the_test():
    many = ",".join('"t%d":{"dtype":"U8","shape":[1],"data_offsets":[%d,%d]}' % (i, i, i + 1) for i in range(3000))
    yield "3000-tensors", lambda: file("{%s}" % many, b"\1" * 3000)
    yield "100k-nesting", lambda: file('{"a":' + "[" * 100000 + "]" * 100000 + "}")
    yield "header-100000000", lambda: file("{}" + " " * (100000000 - 2), b"")
    yield "header-100000001", lambda: file("{}" + " " * (100000001 - 2), b"")


def verdict(data):
    try:
        safetensors.deserialize(data)
        return "accepted"
    except safetensors.SafetensorError as e:
        return str(e)


def headers():
    rows = []
    for name, data in cases():
        v = verdict(data)
        rows.append({"name": name, "file": data.hex(), "accept": v == "accepted", "reference": v[:200]})
    for name, make in built_in_the_test():
        v = verdict(make())
        rows.append({"name": name, "accept": v == "accepted", "reference": v[:200]})
    save_json(rows, "golden", "tensor", "headers.json", indent=0)
    print(f"golden/tensor/headers.json: {len(rows)} files, {sum(r['accept'] for r in rows)} accepted")


if __name__ == "__main__":
    headers()
