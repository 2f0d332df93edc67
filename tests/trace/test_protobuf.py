"""The small encoder against protobuf's own: any number, text and message."""

from hypothesis import given
from hypothesis import strategies as st
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import DebugAnnotation, TrackDescriptor

from vnic.trace.protobuf import message, number, text, varint


@given(st.integers(0, 2**64 - 1), st.text())
def test_numbers_and_texts_read_back(value, words):
    read = DebugAnnotation.FromString(number(3, value) + text(10, words))
    assert (read.uint_value, read.name) == (value, words)


@given(st.integers(0, 2**64 - 1), st.text(max_size=300), st.integers(0, 2**31 - 1))
def test_messages_nest(uuid, name, pid):
    read = TrackDescriptor.FromString(message(3, number(1, pid), text(6, name)) + number(1, uuid))
    assert (read.uuid, read.process.pid, read.process.process_name) == (uuid, pid, name)


def test_bytes_that_are_no_text_become_escapes():
    assert text(1, "a\udc80b") == b"\x0a\x08a\\udc80b"


def test_a_number_has_seven_bits_a_byte():
    assert [varint(n) for n in (0, 127, 128, 300)] == [b"\0", b"\x7f", b"\x80\x01", b"\xac\x02"]
