"""Messages recorded by others: read without an unexpected exception, written back byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from l2tp_doctor.protocol.isakmp.constants import Flags
from l2tp_doctor.protocol.isakmp.describe import describe_message, describe_payloads
from l2tp_doctor.protocol.isakmp.fragmentation import Reassembler
from l2tp_doctor.protocol.isakmp.ikev2 import Ikev2Flags, decode_sa_init
from l2tp_doctor.protocol.isakmp.message import (
    decode_header,
    decode_message,
    encode_encrypted,
    encode_message,
)
from l2tp_doctor.protocol.isakmp.payloads import Fragment
from l2tp_doctor.protocol.wire import WireError
from tests.pcap_reader import capture_files, read_udp

# The first two are about a malformed message, as their names say; the third holds an empty datagram.
MALFORMED = {
    "ipsec-ikev1-payload-bad-length.pcap",
    "ipsec-ikev1-zero-length.pcap",
    "parentR2.bfa68a2.pcap",
}


def isakmp_messages() -> Iterator[tuple[Path, bytes]]:
    for path in capture_files():
        for packet in read_udp(path):
            ports = {packet.source_port, packet.destination_port}
            if 4500 in ports and packet.payload[:4] == bytes(4):
                yield path, packet.payload[4:]
            elif 500 in ports and packet.payload[:4] != bytes(4):
                yield path, packet.payload


def test_recorded_messages_are_read_and_written_back() -> None:
    clear = encrypted = version2 = 0
    refused: set[str] = set()
    for path, data in isakmp_messages():
        try:
            message = decode_message(data)
        except WireError:
            refused.add(path.name)
            continue
        describe_message(message)
        describe_payloads(message.payloads)
        whole = data[: message.header.length]
        if message.header.major != 1:
            version2 += 1
        elif message.header.flags & Flags.ENCRYPTION:
            encrypted += 1
            assert encode_encrypted(message.header, message.header.next_payload, message.body) == whole
        else:
            clear += 1
            assert encode_message(message.header, message.payloads) == whole, path
    assert clear > 100
    assert encrypted > 50
    assert version2 > 100
    assert refused == MALFORMED


def is_response(flags: int) -> bool:
    return flags & (Ikev2Flags.RESPONSE | Ikev2Flags.INITIATOR) == Ikev2Flags.RESPONSE


def test_recorded_sa_init_responses_are_read() -> None:
    read = 0
    for _, data in isakmp_messages():
        try:
            header = decode_header(data)
        except WireError:
            continue
        if header.major == 2 and header.exchange == 34 and is_response(header.flags):
            reply = decode_sa_init(data)
            assert reply.transforms or reply.notifications
            read += 1
    assert read > 20


def test_recorded_fragments_make_whole_messages() -> None:
    reassembler = Reassembler()
    whole: list[bytes] = []
    fragments = 0
    for _, data in isakmp_messages():
        try:
            message = decode_message(data)
        except WireError:
            continue
        if len(message.payloads) == 1 and isinstance(message.payloads[0], Fragment):
            fragments += 1
            joined = reassembler.add(message.header, message.payloads[0], float(fragments))
            if joined is not None:
                whole.append(joined)
    # A VPN client and a gateway: two fragments, the last one first; five; then three backwards.
    assert fragments == 10
    # Lengths and first payloads (KE in the clear, ID encrypted) stand in the headers inside the fragments.
    assert [len(data) for data in whole] == [0x253, 0x9EC, 0x5AC]
    first, *encrypted = (decode_message(data) for data in whole)
    assert first.payloads[0].payload_type == 4
    assert [message.header.flags & Flags.ENCRYPTION for message in encrypted] == [1, 1]
    assert [message.header.next_payload for message in encrypted] == [5, 5]
