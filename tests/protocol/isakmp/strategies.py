"""Hypothesis strategies for every ISAKMP payload."""

from __future__ import annotations

from hypothesis import strategies as st

from l2tp_doctor.protocol.isakmp import payloads as p
from l2tp_doctor.protocol.isakmp.message import Header

byte = st.integers(0, 0xFF)
word = st.integers(0, 0xFFFF)
double = st.integers(0, 0xFFFFFFFF)
data = st.binary(max_size=40)
cookie = st.binary(min_size=8, max_size=8)

attribute = st.one_of(
    st.builds(p.Attribute.tv, st.integers(0, 0x7FFF), word),
    st.builds(p.Attribute.tlv, st.integers(0, 0x7FFF), data),
)
transform = st.builds(p.Transform, byte, byte, st.lists(attribute, max_size=6).map(tuple))
proposal = st.builds(p.Proposal, byte, byte, data, st.lists(transform, max_size=4).map(tuple))
security_association = st.builds(
    p.SecurityAssociation,
    st.lists(proposal, max_size=3).map(tuple),
    st.sampled_from((0, 1)),
    st.just(1),
)


def _spis(size: int) -> st.SearchStrategy[tuple[bytes, ...]]:
    return st.lists(st.binary(min_size=size, max_size=size), max_size=5).map(tuple)


delete = st.builds(p.Delete, byte, st.integers(1, 20).flatmap(_spis), double)
nat_original_address = st.one_of(
    st.builds(p.NatOriginalAddress, st.just(1), st.binary(min_size=4, max_size=4), st.booleans()),
    st.builds(p.NatOriginalAddress, st.just(5), st.binary(min_size=16, max_size=16), st.booleans()),
)
unknown = st.builds(
    p.UnknownPayload, byte.filter(lambda number: number != 0 and number not in p.CODECS), data
)

payload: st.SearchStrategy[p.Payload] = st.one_of(
    security_association,
    st.builds(p.KeyExchange, data),
    st.builds(p.Nonce, data),
    st.builds(p.HashPayload, data),
    st.builds(p.Signature, data),
    st.builds(p.Identification, byte, byte, word, data),
    st.builds(p.Certificate, byte, data),
    st.builds(p.CertificateRequest, byte, data),
    st.builds(p.VendorId, data),
    st.builds(p.Notify, word, byte, data, data, double),
    delete,
    st.builds(p.NatDiscovery, data, st.booleans()),
    nat_original_address,
    st.builds(p.Fragment, word, byte, st.booleans(), data),
    unknown,
)
payloads = st.lists(payload, max_size=8).map(tuple)
header = st.builds(
    Header,
    cookie,
    cookie,
    byte,
    st.sampled_from((0, 2, 4, 6)),  # without ENCRYPTION
    double,
    minor=st.integers(0, 15),
)
