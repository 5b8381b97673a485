-- Schema version 2: who may sign the receipts of a message whose access point a look-up found.
CREATE TABLE signer (
    key         INTEGER NOT NULL REFERENCES message ON DELETE CASCADE,
    certificate BLOB NOT NULL,                  -- DER; a second one after a roll-over
    PRIMARY KEY (key, certificate)
) STRICT, WITHOUT ROWID;
