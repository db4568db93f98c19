-- `{dataset}` is replaced by the quoted dataset, catalog included. Statements run inside the transaction of the
-- load that finds this file missing in `_forebay_migrations`. Files are append-only: a change is a new file.

-- What each resource did in each load.
CREATE TABLE {dataset}."_forebay_runs" (
    load_id VARCHAR NOT NULL,                    -- as in `_dlt_loads`
    pipeline VARCHAR NOT NULL,
    resource VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL,                    -- complete, partial or unproven
    row_count BIGINT NOT NULL,                   -- received from the API
    page_count BIGINT NOT NULL,
    request_count BIGINT NOT NULL,               -- repeated requests included
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE NOT NULL,
    forebay_version VARCHAR NOT NULL
);
