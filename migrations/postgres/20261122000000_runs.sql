-- `{dataset}` is replaced by the quoted schema. Statements run inside the transaction of the load that finds this
-- file missing in `_forebay_migrations`. Files are append-only, comments included: a change is a new file.

-- What each resource did in each load.
CREATE TABLE {dataset}."_forebay_runs" (
    load_id text NOT NULL,                       -- as in `_dlt_loads`
    pipeline text NOT NULL,
    resource text NOT NULL,
    outcome text NOT NULL,                       -- complete, partial or unproven
    row_count bigint NOT NULL,                   -- received from the API
    page_count bigint NOT NULL,
    request_count bigint NOT NULL,               -- repeated requests included
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    forebay_version text NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY -- order of writing; there are gaps
);
