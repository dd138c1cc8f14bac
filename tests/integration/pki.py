"""Certificates for the integration tests; the lab makes them."""

from lab.pki import IKE_INTERMEDIATE, Identity, authority, leaf, new_key

__all__ = ["IKE_INTERMEDIATE", "Identity", "authority", "leaf", "new_key"]
