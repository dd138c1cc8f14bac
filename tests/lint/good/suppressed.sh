curl -k https://localhost/ # l2tp-doctor: ignore[certificate-check-off] the test server on this machine
