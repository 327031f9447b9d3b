import { randomUUID } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { PairResult as PairResultMessage } from '#proto/meshgauge/collector/v1/result.ts'
import { pairResultOf } from '../../dispatch/pair-result-message.ts'
import { measuredPair, PUT_COVERAGE } from './measured-times.ts'
import { withRoundTripDurations } from './round-trip-durations.ts'

/** SQLite application id in the file's header ("MGAU"). It distinguishes a store from other SQLite databases. */
export const APPLICATION_ID = 0x4d474155

/** Version of the current schema. A later schema gets the next number and one more upgrade step. */
export const SCHEMA_VERSION = 3

/**
 * Bodies are encoded protocol messages, so that a new field needs no new column. Other columns exist only for lookups.
 * Indices are few because each slows down every write (one on source and destination by a factor of 8).
 */
const VERSION_1 = `
  CREATE TABLE runs (
    key   INTEGER PRIMARY KEY,
    id    TEXT    NOT NULL UNIQUE,
    state INTEGER NOT NULL,
    body  BLOB    NOT NULL
  ) STRICT;
  CREATE INDEX runs_unfinished ON runs (key) WHERE state IN (1, 2);

  CREATE TABLE results (
    key     INTEGER PRIMARY KEY,
    run     INTEGER NOT NULL REFERENCES runs (key),
    pair    TEXT    NOT NULL,
    outcome INTEGER NOT NULL,
    body    BLOB    NOT NULL
  ) STRICT;
  CREATE INDEX results_of_run ON results (run);
  CREATE UNIQUE INDEX results_of_pair ON results (run, pair);

  CREATE TABLE last_measured (
    node         TEXT    NOT NULL,
    test         TEXT    NOT NULL,
    milliseconds INTEGER NOT NULL,
    PRIMARY KEY (node, test)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE checks (
    node TEXT NOT NULL,
    name TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (node, name)
  ) STRICT;

  PRAGMA application_id = ${APPLICATION_ID};
`

/** The tables of windows are described in mesh/roll-up-levels.ts, their bodies in mesh/window-codec.ts. */
const VERSION_2 = `
  CREATE TABLE figures (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE collector (identity TEXT NOT NULL) STRICT;

  CREATE TABLE paths (
    id          INTEGER PRIMARY KEY,
    source      TEXT NOT NULL,
    destination TEXT NOT NULL,
    interface   TEXT NOT NULL
  ) STRICT;
  CREATE TABLE fresh             (key INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
  CREATE TABLE raw               (key INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
  CREATE TABLE five_minutes      (key INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
  CREATE TABLE one_hour          (key INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
  CREATE TABLE todo_five_minutes (key INTEGER PRIMARY KEY) STRICT;
  CREATE TABLE todo_one_hour     (key INTEGER PRIMARY KEY) STRICT;

  CREATE TABLE events (
    key          INTEGER PRIMARY KEY,
    milliseconds INTEGER NOT NULL,
    source       TEXT    NOT NULL,
    destination  TEXT    NOT NULL,
    body         BLOB    NOT NULL
  ) STRICT;
  CREATE INDEX events_by_time ON events (milliseconds);
  CREATE INDEX events_by_source ON events (source, milliseconds);
  CREATE INDEX events_by_destination ON events (destination, milliseconds);

  CREATE TABLE coverage (
    test         TEXT    NOT NULL,
    pair         TEXT    NOT NULL,
    milliseconds INTEGER NOT NULL,
    PRIMARY KEY (test, pair)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE documents (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (kind, name)
  ) STRICT;
`

/** Computes the new content of version 2 from the content of version 1. */
const fillVersion2 = (database: DatabaseSync): void => {
  database.prepare('INSERT INTO collector (identity) VALUES (?)').run(randomUUID())
  database.exec("INSERT INTO figures SELECT 'runs', count(*) FROM runs")
  const put = database.prepare(PUT_COVERAGE)
  for (const { body } of database.prepare('SELECT body FROM results').iterate()) {
    const values = measuredPair(pairResultOf(PairResultMessage.decode(body as Uint8Array)))
    if (values) put.run(...values, Number.MAX_SAFE_INTEGER)
  }
}

/** Ids of the requests that created runs. */
const VERSION_3 = `
  ALTER TABLE runs ADD COLUMN request TEXT;
  CREATE UNIQUE INDEX runs_of_request ON runs (request) WHERE request IS NOT NULL;
`

/** Before version 3, the round-trip times in summaries of runs were numbers of seconds. Now they are durations. */
const fillVersion3 = (database: DatabaseSync): void => {
  const get = database.prepare('SELECT body FROM runs WHERE key = ?')
  const put = database.prepare('UPDATE runs SET body = ? WHERE key = ?')
  for (const row of database.prepare('SELECT key FROM runs').all()) {
    const key = Number(row.key)
    put.run(withRoundTripDurations(get.get(key)!.body as Uint8Array), key)
  }
}

/** Upgrades the schema from `version` (0 is an empty file) to the current one. Must be called within a transaction. */
export const upgrade = (database: DatabaseSync, version: number): void => {
  if (version < 1) database.exec(VERSION_1)
  if (version < 2) {
    database.exec(VERSION_2)
    fillVersion2(database)
  }
  if (version < 3) {
    database.exec(VERSION_3)
    fillVersion3(database)
  }
  database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`)
}
