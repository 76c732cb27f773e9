"""Packets and the encodings inside them."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from infomart_lab.oracle.wire import (
    MARKER_INTERRUPT,
    MARKER_RESET,
    PACKET_DATA,
    PACKET_MARKER,
    Break,
    ClientGone,
    Packets,
    ProtocolError,
    Reader,
    Writer,
    connect_data,
)


@pytest.fixture
def pair() -> tuple[Packets, socket.socket]:
    server, client = socket.socketpair()
    packets = Packets(server)
    packets.large = True
    return packets, client


def packet(kind: int, body: bytes) -> bytes:
    return struct.pack(">IBBH", len(body) + 8, kind, 0, 0) + body


@pytest.mark.parametrize("number", [0, 1, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63])
def test_integers_survive_the_universal_format(number: int) -> None:
    assert Reader(data=bytes(Writer().ub(number).data)).ub(8) == number


@pytest.mark.parametrize("size", [1, 252, 253, 254, 255, 32767, 32768, 100000])
def test_values_survive_whatever_their_length(size: int) -> None:
    value = bytes(i % 251 for i in range(size))
    assert Reader(data=bytes(Writer().value(value).data)).value() == value
    assert Reader(data=bytes(Writer().two_lengths(value).data)).two_lengths() == value


def test_no_bytes_are_null() -> None:
    assert Writer().value(b"").data == Writer().value(None).data == b"\0"
    assert Reader(data=b"\0").value() is None
    assert Reader(data=b"\xff").value() is None


def test_a_request_is_read_across_packets(pair: tuple[Packets, socket.socket]) -> None:
    packets, client = pair
    value = b"x" * 1000
    data = bytes(Writer().value(value).data)
    client.sendall(b"".join(packet(PACKET_DATA, b"\0\0" + data[i : i + 100]) for i in range(0, len(data), 100)))
    assert Reader(packets).value() == value


def test_a_reply_is_cut_into_packets_of_the_session_data_unit(pair: tuple[Packets, socket.socket]) -> None:
    packets, client = pair
    packets.sdu = 512
    thread = threading.Thread(target=packets.send_data, args=(b"y" * 2000,))
    thread.start()
    other = Packets(client)
    other.large = True
    received = b""
    while len(received) < 2000:
        kind, body = other.receive()
        assert kind == PACKET_DATA and len(body) + 8 <= 512
        received += body[2:]
    thread.join()
    assert received == b"y" * 2000


def test_a_break_stops_the_parser_and_a_reset_does_not(pair: tuple[Packets, socket.socket]) -> None:
    packets, client = pair
    reader = Reader(packets)
    client.sendall(packet(PACKET_MARKER, bytes((1, 0, MARKER_RESET))) + packet(PACKET_DATA, b"\0\0\x07"))
    assert reader.u8() == 7
    client.sendall(packet(PACKET_MARKER, bytes((1, 0, MARKER_INTERRUPT))))
    with pytest.raises(Break):
        reader.u8()


def test_the_end_of_the_client_is_noticed(pair: tuple[Packets, socket.socket]) -> None:
    packets, client = pair
    client.sendall(packet(PACKET_DATA, b"\0\x40"))
    with pytest.raises(ClientGone):
        Reader(packets).u8()
    client.close()
    with pytest.raises(ClientGone):
        packets.receive()


def test_a_lost_parser_is_loud(pair: tuple[Packets, socket.socket]) -> None:
    packets, client = pair
    with pytest.raises(ProtocolError, match="integer of 9 bytes"):
        Reader(data=b"\x09" + bytes(9)).ub()
    with pytest.raises(ProtocolError, match="ends too early"):
        Reader(data=b"\x02\x01").ub()
    client.sendall(struct.pack(">IBBH", 3, 6, 0, 0))
    with pytest.raises(ProtocolError, match="packet of 3 bytes"):
        packets.receive()


@pytest.mark.parametrize("header", [34, 58, 74])
def test_the_connect_descriptor_is_found_behind_the_header_of_each_generation(header: int) -> None:
    text = b"(CONNECT_DATA=(COMMAND=ping))"
    body = bytearray(header - 8)
    struct.pack_into(">HH", body, 16, len(text), header)
    length, offset = connect_data(bytes(body) + text)
    assert (bytes(body) + text)[offset : offset + length] == text
