"""Frames as callers give them: bytes, ``(t_ns, bytes)`` and scapy packets, all that sendp() takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Frame = bytes | bytearray | memoryview | tuple[int, bytes] | Any
    """Bytes, ``(t_ns, bytes)``, or a scapy packet."""


def is_stamped(frame: object) -> bool:
    """Is this ``(t_ns, frame)``?"""
    return isinstance(frame, tuple) and len(frame) == 2 and isinstance(frame[0], int)


def is_one(frame: object) -> bool:
    """Is this one frame or one scapy packet, and not several?"""
    return isinstance(frame, (bytes, bytearray, memoryview)) or hasattr(frame, "fields_desc") or is_stamped(frame)


def frame_bytes(frame: Frame) -> bytes:
    """Return the bytes of a frame; build a scapy packet. TypeError: the value is neither."""
    if isinstance(frame, bytes):
        return frame
    if not isinstance(frame, (bytearray, memoryview)) and not hasattr(type(frame), "__bytes__"):
        raise TypeError(f"a frame is bytes, a scapy packet, or (t_ns, bytes), not {type(frame).__name__}")
    return bytes(cast("Any", frame))


def each_frame(frames: Iterable[Frame] | Frame) -> Iterator[tuple[int | None, bytes]]:
    """Yield each frame's stamp (None: it has none) and bytes.

    A scapy packet gives all the packets that it stands for, as with sendp(): ``IP(dst=["10.0.0.2", "10.0.0.3"])`` two.
    """
    several: Any = [frames] if is_one(frames) else frames
    for frame in several:
        t_ns, given = frame if is_stamped(frame) else (None, frame)
        for one in given if hasattr(given, "fields_desc") else (given,):
            yield t_ns, frame_bytes(one)
