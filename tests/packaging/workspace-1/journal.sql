-- The journal as version 1 wrote it: one task has ended, one waits. It stays as it is when the schema moves on.
BEGIN TRANSACTION;
CREATE TABLE dedupe (key TEXT PRIMARY KEY, task_id TEXT NOT NULL, seen_at REAL NOT NULL) WITHOUT ROWID;
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
INSERT INTO "deliveries" VALUES(1,'kimi-1795355134-endedold-TaskCompleted','webhook-handler','TaskCompleted','kimi-1795355134-endedold','delivered',1,0,1.79535513484985208513e+09);
INSERT INTO "deliveries" VALUES(2,'kimi-1795355134-endedold-TaskCompleted','notify-agi','TaskCompleted','kimi-1795355134-endedold','delivered',1,0,1.79535513485478305821e+09);
CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
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
INSERT INTO "hook_runs" VALUES(1,'webhook-handler','TaskCompleted','kimi-1795355134-endedold-TaskCompleted','kimi-1795355134-endedold',1,'delivered',0,10,'WEBHOOK_URL is not set: nothing was sent for kimi-1795355134-endedold
','',1.79535513484985208513e+09);
INSERT INTO "hook_runs" VALUES(2,'notify-agi','TaskCompleted','kimi-1795355134-endedold-TaskCompleted','kimi-1795355134-endedold',1,'delivered',0,8,'OPENCLAW_HOOKS_TOKEN is not set: nobody was woken for kimi-1795355134-endedold
','',1.79535513485478305821e+09);
CREATE TABLE needs (
        task_id TEXT NOT NULL,
        ref TEXT NOT NULL,
        needed_id TEXT,
        PRIMARY KEY (task_id, ref)
    ) WITHOUT ROWID;
CREATE TABLE sends (seq INTEGER PRIMARY KEY, task_id TEXT NOT NULL, sent_at REAL NOT NULL);
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
INSERT INTO "tasks" VALUES(1,'kimi-1795355134-endedold','old-one',NULL,'completed',NULL,0,1,1.79535513478806257252e+09,3600.0,1.79535513478806257252e+09,1.79535513479067540161e+09,1.79535873479067540174e+09,1.79535513481831574445e+09,1,0,NULL,'done',NULL,1,NULL,1,'[]','{"prompt":"What was there before?","name":"old-one","group":null,"channel":"telegram","account":null,"thread_id":null,"reply_to":null,"model":null,"system":null,"temperature":null,"max_tokens":null,"reasoning_effort":null,"context":[],"timeout":3600.0,"priority":0,"not_before":null,"after":[],"dedupe_key":null,"standin":true,"metadata":{},"dispatched_from":null}');
INSERT INTO "tasks" VALUES(2,'kimi-1795355135-waitsold','waits',NULL,'available',NULL,0,1,1.79535513630061697954e+09,3600.0,1.79535513611729788778e+09,NULL,NULL,NULL,0,0,NULL,NULL,NULL,NULL,NULL,1,'[]','{"prompt":"What comes after?","name":"waits","group":null,"channel":"telegram","account":null,"thread_id":null,"reply_to":null,"model":null,"system":null,"temperature":null,"max_tokens":null,"reasoning_effort":null,"context":[],"timeout":3600.0,"priority":0,"not_before":"2026-11-22T13:45:36.300617+00:00","after":[],"dedupe_key":null,"standin":true,"metadata":{},"dispatched_from":null}');
CREATE INDEX tasks_waiting ON tasks (standin, priority DESC, seq) WHERE state IN ('available', 'retryable');
CREATE INDEX tasks_state ON tasks (state);
CREATE INDEX tasks_name ON tasks (name, seq);
CREATE INDEX tasks_pending ON tasks (ended) WHERE ended IS NOT NULL AND acknowledged_at IS NULL;
CREATE INDEX tasks_ack ON tasks (id) WHERE ack_written = 0;
CREATE INDEX sends_at ON sends (sent_at);
CREATE INDEX deliveries_waiting ON deliveries (due_at) WHERE state = 'waiting';
CREATE INDEX deliveries_running ON deliveries (seq) WHERE state = 'running';
CREATE INDEX hook_runs_task ON hook_runs (task_id);
COMMIT;
PRAGMA user_version = 1;
