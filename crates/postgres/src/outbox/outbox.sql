-- The outbox of Sockeye. A transaction inserts a row beside its other changes. Once it has committed, the row is
-- published in the channel, and deleted after its receipt.
--
--   INSERT INTO sockeye_outbox (channel, data) VALUES ('orders:7', json_build_object('state', 'paid'));
--
-- The application needs INSERT on the table, and Sockeye's user SELECT and DELETE:
--
--   GRANT INSERT ON sockeye_outbox TO app;
--   GRANT SELECT, DELETE ON sockeye_outbox TO sockeye;

CREATE TABLE IF NOT EXISTS sockeye_outbox (
    -- The order. Rows of one transaction, and rows that were inserted after another's commit, are published in it.
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel text NOT NULL,
    -- A JSON string is a text, any other value is itself.
    data    json NOT NULL,
    -- The name of the event, if it has one.
    event   text,
    -- How long it is worth delivering, in milliseconds; for ever if this is null.
    ttl_ms  bigint CHECK (ttl_ms > 0),
    -- Rows with the same key are published once, as long as the channel remembers keys (key_seconds).
    key     text NOT NULL DEFAULT gen_random_uuid()::text CHECK (octet_length(key) BETWEEN 1 AND 80)
);

-- Wakes Sockeye. Without the trigger it looks once a second.
CREATE OR REPLACE FUNCTION sockeye_outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY sockeye_outbox;
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS sockeye_outbox_notify ON sockeye_outbox;
CREATE TRIGGER sockeye_outbox_notify AFTER INSERT ON sockeye_outbox
    FOR EACH STATEMENT EXECUTE FUNCTION sockeye_outbox_notify();
