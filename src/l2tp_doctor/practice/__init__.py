"""The embedded practice gateway: a complete L2TP/IPsec server with fault switches, for demo and tests."""
