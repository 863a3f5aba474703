"""The tables of the journal: one script for each version of it."""

from __future__ import annotations

# One script for each version; `PRAGMA user_version` counts those that have been applied.
MIGRATIONS = (
    """
    CREATE TABLE tasks (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        "group" TEXT,
        state TEXT NOT NULL,
        hold_reason TEXT,
        priority INTEGER NOT NULL,
        standin INTEGER NOT NULL,
        due_at REAL NOT NULL,
        timeout REAL NOT NULL,
        created_at REAL NOT NULL,
        started_at REAL,
        deadline_at REAL,
        completed_at REAL,
        attempts INTEGER NOT NULL DEFAULT 0,
        crashes INTEGER NOT NULL DEFAULT 0,
        last_error TEXT,
        outcome TEXT,
        error_kind TEXT,
        ended INTEGER UNIQUE,
        acknowledged_at REAL,
        ack_written INTEGER NOT NULL DEFAULT 1,
        warnings TEXT NOT NULL,
        spec TEXT NOT NULL
    );
    CREATE INDEX tasks_waiting ON tasks (standin, priority DESC, seq) WHERE state IN ('available', 'retryable');
    CREATE INDEX tasks_state ON tasks (state);
    CREATE INDEX tasks_name ON tasks (name, seq);
    CREATE INDEX tasks_pending ON tasks (ended) WHERE ended IS NOT NULL AND acknowledged_at IS NULL;
    CREATE INDEX tasks_ack ON tasks (id) WHERE ack_written = 0;

    CREATE TABLE needs (
        task_id TEXT NOT NULL,
        ref TEXT NOT NULL,
        needed_id TEXT,
        PRIMARY KEY (task_id, ref)
    ) WITHOUT ROWID;

    CREATE TABLE dedupe (key TEXT PRIMARY KEY, task_id TEXT NOT NULL, seen_at REAL NOT NULL) WITHOUT ROWID;

    CREATE TABLE sends (seq INTEGER PRIMARY KEY, task_id TEXT NOT NULL, sent_at REAL NOT NULL);
    CREATE INDEX sends_at ON sends (sent_at);

    CREATE TABLE deliveries (
        seq INTEGER PRIMARY KEY,
        event_id TEXT NOT NULL,
        hook_id TEXT NOT NULL,
        event TEXT NOT NULL,
        task_id TEXT NOT NULL,
        state TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        crashes INTEGER NOT NULL DEFAULT 0,
        due_at REAL NOT NULL,
        UNIQUE (event_id, hook_id)
    );
    CREATE INDEX deliveries_waiting ON deliveries (due_at) WHERE state = 'waiting';
    CREATE INDEX deliveries_running ON deliveries (seq) WHERE state = 'running';

    CREATE TABLE hook_runs (
        seq INTEGER PRIMARY KEY,
        hook_id TEXT NOT NULL,
        event TEXT NOT NULL,
        event_id TEXT NOT NULL,
        task_id TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        exit_code INTEGER,
        duration_ms INTEGER NOT NULL,
        stdout TEXT NOT NULL,
        stderr TEXT NOT NULL,
        ended_at REAL NOT NULL
    );
    CREATE INDEX hook_runs_task ON hook_runs (task_id);

    CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    """,
    """
    CREATE INDEX tasks_due ON tasks (standin, due_at) WHERE state IN ('available', 'retryable');
    CREATE INDEX tasks_deadline ON tasks (standin, deadline_at)
        WHERE state IN ('available', 'retryable') AND deadline_at IS NOT NULL;
    """,
    """
    ALTER TABLE tasks ADD COLUMN turns INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE tasks ADD COLUMN taken TEXT;
    ALTER TABLE tasks ADD COLUMN reuse REAL;
    ALTER TABLE tasks ADD COLUMN fingerprint TEXT;
    CREATE INDEX tasks_fingerprint ON tasks (fingerprint, completed_at) WHERE fingerprint IS NOT NULL;
    CREATE INDEX tasks_reuse ON tasks (due_at) WHERE reuse IS NOT NULL AND state IN ('available', 'retryable');

    ALTER TABLE sends ADD COLUMN prompt_guess INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE sends ADD COLUMN tokens_at_most INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE sends ADD COLUMN ended_at REAL;
    ALTER TABLE sends ADD COLUMN model TEXT;
    ALTER TABLE sends ADD COLUMN prompt INTEGER;
    ALTER TABLE sends ADD COLUMN completion INTEGER;
    ALTER TABLE sends ADD COLUMN cached INTEGER;
    ALTER TABLE sends ADD COLUMN reasoning INTEGER;
    ALTER TABLE sends ADD COLUMN amount REAL;
    ALTER TABLE sends ADD COLUMN currency TEXT;
    UPDATE sends SET ended_at = sent_at;
    CREATE INDEX sends_under_way ON sends (task_id) WHERE ended_at IS NULL;

    CREATE TABLE notifications (
        seq INTEGER PRIMARY KEY,
        event_id TEXT NOT NULL UNIQUE,
        type TEXT NOT NULL,
        title TEXT NOT NULL,
        message TEXT NOT NULL,
        detail TEXT NOT NULL,
        at REAL NOT NULL
    );
    """,
    """
    ALTER TABLE tasks ADD COLUMN gate TEXT;
    ALTER TABLE tasks ADD COLUMN blocks INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX tasks_gate ON tasks (gate, seq) WHERE gate IS NOT NULL;

    CREATE TABLE said (
        task_id TEXT NOT NULL,
        turn INTEGER NOT NULL,
        text TEXT NOT NULL,
        at REAL NOT NULL,
        PRIMARY KEY (task_id, turn)
    ) WITHOUT ROWID;

    CREATE TABLE moments (
        event_id TEXT PRIMARY KEY,
        event TEXT NOT NULL,
        task_id TEXT,
        fields TEXT NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE switched_off (hook_id TEXT PRIMARY KEY, why TEXT NOT NULL, since REAL NOT NULL) WITHOUT ROWID;

    ALTER TABLE deliveries ADD COLUMN place INTEGER;
    CREATE INDEX deliveries_open ON deliveries (task_id, hook_id, seq) WHERE state IN ('waiting', 'behind', 'running');
    CREATE INDEX deliveries_behind ON deliveries (seq) WHERE state = 'behind';

    ALTER TABLE hook_runs ADD COLUMN http_status INTEGER;
    ALTER TABLE hook_runs ADD COLUMN reason TEXT;
    """,
    """
    ALTER TABLE tasks ADD COLUMN file TEXT;
    ALTER TABLE tasks ADD COLUMN retried INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE tasks ADD COLUMN cancel_at REAL;
    CREATE INDEX tasks_cancel ON tasks (seq) WHERE cancel_at IS NOT NULL;
    ALTER TABLE tasks ADD COLUMN last_call TEXT;

    DROP INDEX tasks_gate;
    CREATE INDEX tasks_gate ON tasks (gate, hold_reason, seq) WHERE gate IS NOT NULL;

    DROP INDEX tasks_waiting;
    DROP INDEX tasks_due;
    DROP INDEX tasks_deadline;
    CREATE INDEX tasks_waiting ON tasks (standin, priority DESC, seq)
        WHERE state IN ('available', 'retryable') AND reuse IS NULL;
    CREATE INDEX tasks_due ON tasks (standin, due_at) WHERE state IN ('available', 'retryable') AND reuse IS NULL;
    CREATE INDEX tasks_deadline ON tasks (standin, deadline_at)
        WHERE state IN ('available', 'retryable') AND reuse IS NULL AND deadline_at IS NOT NULL;

    CREATE INDEX needs_needed ON needs (needed_id);
    CREATE INDEX needs_open ON needs (ref) WHERE needed_id IS NULL;
    CREATE TABLE unsettled (task_id TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TRIGGER needs_told AFTER INSERT ON needs BEGIN
        INSERT OR IGNORE INTO unsettled VALUES (new.task_id);
    END;
    CREATE TRIGGER tasks_come AFTER INSERT ON tasks BEGIN
        INSERT OR IGNORE INTO unsettled
        SELECT task_id FROM needs WHERE needed_id IS NULL AND ref IN (new.id, new.name);
    END;
    CREATE TRIGGER tasks_ended AFTER UPDATE OF state ON tasks WHEN new.state IN ('completed', 'failed', 'cancelled')
    BEGIN
        INSERT OR IGNORE INTO unsettled SELECT task_id FROM needs WHERE needed_id = new.id;
    END;
    CREATE TRIGGER tasks_held AFTER UPDATE OF hold_reason ON tasks WHEN new.hold_reason = 'after' BEGIN
        INSERT OR IGNORE INTO unsettled VALUES (new.id);
    END;
    """,
)
