"""A small synchronous client for the REST of a running access point, on requests: what an MSH embeds.

    with Client("http://127.0.0.1:8080", token) as client:
        client.submit_sbd(Path("observation.xml"), message_id="20261123-4711@lab.example")
        for message in client.inbox():
            client.payload(message["message_id"], 1, to=Path("in.xml"), direction="inbound")
            client.ack(message["message_id"])

What is submitted is signed with `Client(url, token, signing=load_key_pairs(data)[0])` (ehmi_ap.crypto.keys); what is
fetched has to be signed with `client.payload(..., signers=Signers(anchors=...))` (ehmi_ap.crypto.signers).

Answers are the JSON objects of docs/reference/rest.md. What goes wrong is raised as the error of ehmi_ap.errors
that the access point named (NotFound, SubmissionError, SubmissionConflict, NotAllowed, ConfigError, StoreError), with
the ClientError that holds the whole problem as its cause; anything else as a ClientError itself; a connection that
fails as TransportError. A submission that names its message_id may be repeated after any of these: it is sent once.
"""

from ehmi_ap.client.problem import ClientError, ServerFailed
from ehmi_ap.client.session import Client, Json
from ehmi_ap.client.upload import Source, Upload

__all__ = ["Client", "ClientError", "Json", "ServerFailed", "Source", "Upload"]
