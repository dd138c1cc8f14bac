"""A path test with a helper at the other end: questions that look like IKE and ESP, and honest answers.

A *questioner* (the client site) sends authenticated questions on every channel a VPN uses; a
*reflector* (any host that can be reached) answers each with what arrived, and with how many
questions of each channel and size have arrived so far.  One answer that makes it back on any
channel therefore tells of all the questions that arrived: outbound loss differs from inbound loss.

Threat model.  Both ends share a random token; whoever holds it is trusted to test, nobody else is.

* Someone without the token gets no answer at all, so the reflector cannot be found by scanning and
  cannot be used against others.  Tags are HMAC-SHA-256 (cut to 128 bits, RFC 2104 §5) and compared in
  constant time.  Only the tagged block is needed to authenticate: a middlebox that changes the rest
  of a message is reported, not mistaken for a forger.
* An answer is never longer than the question as it arrived: nothing is amplified, whatever the
  source address.  Answers are limited by token buckets for each source and in total, so that
  a token that leaked cannot turn the reflector into a flooder either.
* A recorded question is not answered twice.  Freshness is a time stamp in the question (300 seconds of
  tolerance, what Kerberos allows too) together with every sequence number seen in a session.
  A challenge from the reflector would need no clocks, but it has to travel the inbound direction
  before anything counts: with inbound loss, the very thing to be measured, nothing could be
  measured.  Sessions are remembered until their newest possible question is out of tolerance.
  A reflector that was restarted has forgotten them: for 300 seconds each recorded question earns one
  more answer, no longer than itself.
* Memory is bounded: so many sessions, tallies for each, sequence numbers, sources.  A full table
  refuses newcomers instead of forgetting what protects against replay; only holders of the
  token can fill it.
* Nothing is encrypted.  Whoever watches the path learns addresses, sizes and counts, which they see anyway.
"""
