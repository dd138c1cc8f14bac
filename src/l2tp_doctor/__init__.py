"""l2tp-doctor: says why an L2TP/IPsec VPN cannot be reached, by dialling it."""

__version__ = "0.1.0"
