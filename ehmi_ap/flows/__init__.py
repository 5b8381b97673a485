"""The verbs: submit, send, receive, deliver, report, upkeep; and pickup, which claims what is due and calls them.

    submit    addresses and matches; compose makes the message, check asks the profile, fingerprint names its content
    send      one attempt; verdict says what becomes of the message, explain what a peer's error may mean
    receive   one POST; signal is what a peer posts late
    pickup    the workers of a direction; bell wakes whoever waits for events; offload reads files in threads
    world     what all of them are given

Rules of this room:
- A flow joins pure steps (as4) with ports (Store, Web, Backend) and has no opinion on either: what the bytes
  mean is said there, what to do now is said here.
- Durable first, visible second: no receipt leaves before the commit that holds the message, no byte of a message
  leaves before its signed form is kept, no answer goes to C1 before its message is stored.
- A flow may be cut off after any line. Whatever it left behind is right by itself, or put right by the next run.
- Time, ids and chance come from the World; nothing here reads a clock.
"""
