"""Real L2TP/IPsec gateways, paths and faults on one Linux machine.  See README.md beside this file."""
