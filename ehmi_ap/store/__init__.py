"""Durable state: the message rows that are the queue, the receipts, the events, and the bodies.

sqlite.py is the embedded default, memory.py the same in memory; both pass tests/contract/test_store.py.
Only blobs.py opens payload files, only queries.sql changes the state of a message, and it may change it only
along lifecycle.TRANSITIONS.
"""
