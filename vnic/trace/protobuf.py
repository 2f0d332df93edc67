"""As much of protobuf's encoding as a trace's begin needs: numbers, texts, messages."""

from __future__ import annotations


def varint(value: int) -> bytes:
    """Encode a number, 7 bits a byte."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """Encode a field that is a whole number, a bool or an enum."""
    return varint(field << 3) + varint(value)


def message(field: int, *parts: bytes) -> bytes:
    """Encode a field that is a message of these fields."""
    body = b"".join(parts)
    return varint(field << 3 | 2) + varint(len(body)) + body


def text(field: int, value: str) -> bytes:
    """Encode a field that is a text. What is not text, such as a byte of a file's name, becomes an escape."""
    return message(field, value.encode("utf-8", "backslashreplace"))
