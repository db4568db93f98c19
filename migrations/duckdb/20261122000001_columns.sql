-- Where in the rows of a resource each column comes from.
CREATE TABLE {dataset}."_forebay_columns" (
    table_name VARCHAR NOT NULL,
    column_name VARCHAR NOT NULL,
    source_path VARCHAR NOT NULL,                -- from the row of the resource: $.planConnections[*].planId
    load_id VARCHAR NOT NULL,                    -- the first load with rows that had it, of those of forebay
    first_seen TIMESTAMP WITH TIME ZONE NOT NULL
);
